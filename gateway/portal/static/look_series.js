// What there is to look at below a DICOMweb root: series, and the frames of each with their addresses.
const NO_PICTURES = new Set(["SR", "KO", "PR", "DOC", "SEG", "RTSTRUCT", "RTPLAN", "RTDOSE", "REG", "FID", "PLAN", "AU", "ECG", "HD", "SM", "M3D"]);
const STUDY = "0020000D";
const SERIES = "0020000E";
const INSTANCE = "00080018";
const REFERENCED = "00081155";

const all = (item, tag) => item?.[tag]?.Value ?? [];
const one = (item, tag) => all(item, tag)[0];
const number = (value) => (Number.isFinite(Number(value)) ? Number(value) : null);

async function ask(url) {
  const answer = await fetch(url, { headers: { Accept: "application/dicom+json" } });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.status === 204 ? [] : answer.json();
}

function inWords(date) {
  const found = /^(\d{4})(\d\d)(\d\d)$/.exec(date ?? "");
  if (!found) return "";
  const day = new Date(Date.UTC(found[1], found[2] - 1, found[3]));
  return day.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
}

function seriesOf(root, study, row) {
  const modality = one(row, "00080060") ?? "";
  return {
    path: `${root}/studies/${one(study, STUDY)}/series/${one(row, SERIES)}`,
    modality,
    title: one(row, "0008103E") || modality || "Series",
    study: [one(study, "00081030"), inWords(one(study, "00080020"))].filter(Boolean).join(", "),
    uid: one(study, STUDY),
    when: inWords(one(study, "00080020")) || "no date",
    count: number(one(row, "00201209")) ?? 0,
  };
}

// Those of the studies `own` first, then the newest study, its series in their order; what is no picture is left out.
// Of several studies each says when it was: `when` is empty where there is nothing to tell apart.
export async function findSeries(root, own) {
  const studies = await ask(`${root}/studies?includefield=00081030&limit=100`);
  studies.sort((a, b) => String(one(b, "00080020") ?? "").localeCompare(String(one(a, "00080020") ?? "")));
  const found = await Promise.all(
    studies.map(async (study) => {
      const fields = "includefield=0008103E&includefield=00201209&includefield=00200011";
      const rows = await ask(`${root}/studies/${one(study, STUDY)}/series?${fields}`);
      return rows.map((row) => seriesOf(root, study, row));
    }),
  );
  const series = found.flat().map((each) => (studies.length > 1 ? each : { ...each, when: "" }));
  const keys = await Promise.all(series.filter((each) => each.modality === "KO").map((each) => keyImages(root, each)));
  const shown = [...keys.filter((each) => each.frames.length), ...series.filter((each) => !NO_PICTURES.has(each.modality))];
  return shown.sort((a, b) => Number(own.includes(b.uid)) - Number(own.includes(a.uid)));
}

// How wide an image is for its height: pixels need not be square.
function shape(instance) {
  const [down, across] = (["00280030", "00181164", "00280034"].map((tag) => all(instance, tag)).find((each) => each.length === 2) ?? [1, 1]).map(Number);
  const ratio = (number(one(instance, "00280011")) * across) / (number(one(instance, "00280010")) * down);
  return ratio > 0.05 && ratio < 20 ? ratio : null;
}

function framesOfInstance(path, instance) {
  if (!one(instance, "00280010")) return [];
  const count = number(one(instance, "00280008")) ?? 1;
  const centre = number(one(instance, "00281050"));
  const width = number(one(instance, "00281051"));
  return Array.from({ length: count }, (_, at) => ({
    url: `${path}/instances/${one(instance, INSTANCE)}/frames/${at + 1}/rendered`,
    shape: shape(instance),
    window: centre !== null && width > 0 ? [centre, width] : null,
  }));
}

export async function framesOf(series) {
  if (series.frames) return series.frames;
  const instances = await ask(`${series.path}/metadata`);
  return instances.flatMap((instance) => framesOfInstance(series.path, instance));
}

// PS3.3 C.17.6: the content says which images, the evidence in which series they are.
function evidence(root, selection) {
  const where = new Map();
  for (const study of all(selection, "0040A375"))
    for (const series of all(study, "00081115"))
      for (const instance of all(series, "00081199"))
        where.set(one(instance, REFERENCED), `${root}/studies/${one(study, STUDY)}/series/${one(series, SERIES)}`);
  return where;
}

function referenced(item) {
  const here = all(item, "00081199").map((each) => ({ uid: one(each, REFERENCED), frames: all(each, "00081160") }));
  return [...here, ...all(item, "0040A730").flatMap(referenced)];
}

async function keyImages(root, series) {
  const selections = await ask(`${series.path}/metadata`);
  const frames = selections.flatMap((selection) => {
    const where = evidence(root, selection);
    return all(selection, "0040A730").flatMap(referenced).filter(({ uid }) => where.has(uid)).flatMap(({ uid, frames: some }) =>
      (some.length ? some : [1]).map((frame) => ({ url: `${where.get(uid)}/instances/${uid}/frames/${frame}/rendered`, shape: null, window: null })));
  });
  return { ...series, title: "Key images", count: frames.length, frames, thumbnail: frames[0]?.url.replace(/rendered$/, "thumbnail") };
}
