// OHIF's configuration, served as /ohif/app-config.js. One data source: ours, on the same origin, with the session's cookie.
// Left out on purpose: dicomjson, dicomwebproxy and dangerouslyUseDynamicConfig, which load whatever a URL says.
window.config = {
  routerBasename: '/ohif/',
  showStudyList: false,
  extensions: [],
  modes: [],
  customizationService: { 'ohif.tours': { $set: [] } }, // no guided tour over the images
  investigationalUseDialog: { option: 'never' },
  showWarningMessageForCrossOrigin: false,
  showCPUFallbackMessage: true,
  showLoadingIndicator: true,
  showErrorDetails: 'production',
  showPatientInfo: 'visible',
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
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        wadoUriRoot: '/dicom-web',
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
