// The page's behaviour: every module looks for what it serves and does nothing where that is not there.
import { startMoments } from "./moments.js";
import { startLive } from "./live.js";
import { startFilter } from "./filter.js";
import { startDialogs } from "./dialogs.js";
import { startOpinion } from "./opinion.js";
import { startUpload } from "./upload.js";
import { startViewer } from "./viewer.js";
import { startForms } from "./forms.js";
import { startInsert } from "./insert.js";
import { startSharing } from "./sharing.js";
import { startThemeChoice } from "./display.js";

startMoments();
startThemeChoice();
startLive();
startFilter();
startForms();
startInsert();
startSharing();
const opinion = startOpinion();
startDialogs(opinion);
startViewer();
startUpload();
