// OHIF's configuration, served as /ohif/app-config.js. One data source: ours, on the same origin, with the session's cookie.
// Left out on purpose: dicomjson, dicomwebproxy and dangerouslyUseDynamicConfig, which load whatever a URL says.
//
// A page that names a case (/ohif/viewer?StudyInstanceUIDs=…&case=7) asks below that case's root and for nothing else
// (docs/adr/0005); what is no number becomes case 0, of which there is none, and never a part of an address.
const dicomWebRoot = (() => {
  const cases = new URLSearchParams(window.location.search).getAll('case');
  const caseId = cases.length === 1 && /^[1-9][0-9]{0,8}$/.test(cases[0]) ? cases[0] : '0';
  return cases.length ? `/dicom-web/cases/${caseId}` : '/dicom-web';
})();

window.config = {
  routerBasename: '/ohif/',
  showStudyList: false,
  extensions: [],
  modes: [],
  customizationService: {
    'ohif.tours': { $set: [] }, // no guided tour over the images
    'ohif.preserveCustomizationKeys': { $set: ['case'] }, // OHIF's own links stay with the case
  },
  investigationalUseDialog: { option: 'never' },
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: true,
  showLoadingIndicator: true,
  showErrorDetails: 'production',
  showPatientInfo: window.self === window.top ? 'visible' : 'disabled', // beside a report the page says whose it is
  httpErrorHandler: error => console.warn('Overread answered with an error:', error.status),
  strictZSpacingForVolumeViewport: true,
  groupEnabledModesFirst: true,
  maxNumberOfWebWorkers: 3,
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: 25 },
  studyPrefetcher: { enabled: true, displaySetsCount: 2, maxNumPrefetchRequests: 10, order: 'closest' },
  whiteLabeling: {
    createLogoComponentFn: React =>
      React.createElement('span', { style: { color: '#fff', fontWeight: 600, letterSpacing: '0.03em' } }, 'Overread'),
  },
  defaultDataSourceName: 'overread',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'overread',
      configuration: {
        friendlyName: 'Overread',
        name: 'overread',
        qidoRoot: dicomWebRoot,
        wadoRoot: dicomWebRoot,
        wadoUriRoot: dicomWebRoot,
        qidoSupportsIncludeField: true,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        supportsReject: false,
        supportsStow: false,
        dicomUploadEnabled: false,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        enableStudyLazyLoad: true,
        omitQuotationForMultipartRequest: true,
        bulkDataURI: { enabled: true, relativeResolution: 'series' },
      },
    },
  ],
};
