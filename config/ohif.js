// OHIF's configuration, served as /ohif/app-config.js behind the constant `deployment`, which gateway/viewer_config.py
// makes out of the section [viewer] of the settings: name, workers, prefetch, saving. One data source: ours, on the same origin, with the session's cookie.
// Left out on purpose: dicomjson, dicomwebproxy and dangerouslyUseDynamicConfig, which load whatever a URL says.
//
// A page that names a case (/ohif/viewer?StudyInstanceUIDs=…&case=7) asks below that case's root and for nothing else
// (docs/adr/0005); what is no number becomes case 0, of which there is none, and never a part of an address.
const caseId = (() => {
  const cases = new URLSearchParams(window.location.search).getAll('case');
  const one = cases.length === 1 && /^[1-9][0-9]{0,8}$/.test(cases[0]) ? cases[0] : '0';
  return cases.length ? one : '';
})();
const dicomWebRoot = caseId ? `/dicom-web/cases/${caseId}` : '/dicom-web';

// Whoever does not hold the case is told so when they ask to save, before any dialog; the server refuses it anyway. OHIF has
// no setting that takes its buttons away, so what they call is wrapped: commands (ours are registered last), and a prompt.
const maySave = async () => {
  try {
    const answer = caseId && (await fetch(`/api/v1/cases/${caseId}`, { headers: { Accept: 'application/json' } }));
    return !answer || (answer.ok && (await answer.json()).may_save);
  } catch {
    return true; // then it is the server that says no, if it is reached
  }
};
const refuse = servicesManager =>
  servicesManager.services.uiNotificationService.show({
    title: 'Not saved',
    message: 'Only the radiologist who reads this case can save into it. What you drew stays in this window; CSV downloads it.',
    type: 'warning',
    duration: 10000,
  });
const forReadersAlone = (servicesManager, save) => async (...args) =>
  (await maySave()) ? save(...args) : void refuse(servicesManager);
const savingCommands = ({ commandsManager, servicesManager }) => {
  const wrapped = [
    ['promptSaveReport', 'DEFAULT'],
    ['storeSegmentation', 'CORNERSTONE'],
  ].flatMap(([name, context]) => {
    const original = commandsManager.getCommand(name, context);
    const commandFn = original && forReadersAlone(servicesManager, original.commandFn);
    return original ? [[name, { ...original, context, commandFn }]] : [];
  });
  return { definitions: Object.fromEntries(wrapped) };
};
const SAVING_PROMPT = 'measurement.promptSaveReport';
const savingPrompt = (managers, ...more) => {
  const original = managers.servicesManager.services.customizationService.getCustomizations('default').get(SAVING_PROMPT);
  return forReadersAlone(managers.servicesManager, original)(managers, ...more);
};

// The newest study on the left, a prior on the right; OHIF's own @ohif/hpCompare leaves half of the screen empty where
// each study has one series. Which study is meant follows from the order of StudyInstanceUIDs in the address.
const besideEachOther = (() => {
  const selector = index => ({
    studyMatchingRules: [
      { attribute: 'studyInstanceUIDsIndex', from: 'options', required: true, constraint: { equals: { value: index } } },
    ],
    seriesMatchingRules: [
      { attribute: 'numImageFrames', weight: 1, constraint: { greaterThan: { value: 0 } } },
      { attribute: 'isDisplaySetFromUrl', weight: 20, constraint: { equals: true } },
    ],
  });
  const viewport = id => ({
    viewportOptions: { viewportType: 'stack', toolGroupId: 'default', allowUnmatchedView: true },
    displaySets: [{ id }],
  });
  const layout = { layoutType: 'grid', properties: { rows: 1, columns: 2 } };
  return {
    id: '@overread/compare',
    name: 'Beside the prior',
    numberOfPriorsReferenced: 1,
    protocolMatchingRules: [],
    toolGroupIds: ['default'],
    displaySetSelectors: { current: selector(0), prior: selector(1) },
    defaultViewport: viewport('current'),
    stages: [{ name: 'beside', viewportStructure: layout, viewports: [viewport('current'), viewport('prior')] }],
  };
})();

window.config = {
  routerBasename: '/ohif/',
  showStudyList: false,
  extensions: [
    {
      id: 'overread',
      getCommandsModule: savingCommands,
      getHangingProtocolModule: () => [{ name: besideEachOther.id, protocol: besideEachOther }],
    },
  ],
  modes: [],
  customizationService: {
    [SAVING_PROMPT]: { $set: savingPrompt },
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
  maxNumberOfWebWorkers: deployment.workers,
  maxNumRequests: { interaction: 100, thumbnail: 5, prefetch: deployment.prefetch },
  studyPrefetcher: { enabled: deployment.prefetch > 0, displaySetsCount: 2, maxNumPrefetchRequests: 10, order: 'closest' },
  whiteLabeling: {
    createLogoComponentFn: React =>
      React.createElement('span', { style: { color: '#fff', fontWeight: 600, letterSpacing: '0.03em' } }, deployment.name),
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
        supportsStow: deployment.saving, // what a reader may save where, /dicom-web decides
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
