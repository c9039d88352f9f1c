// How bright and how hard: fixed windows for CT, whose values mean the same everywhere, and steps from its own for others.
const OF_CT = [
  ["Brain", 40, 80],
  ["Stroke", 35, 35],
  ["Soft tissue", 50, 400],
  ["Lung", -600, 1500],
  ["Bone", 500, 2000],
];
const STEPS = [
  ["Brighter", -0.25, 1],
  ["Darker", 0.25, 1],
  ["More contrast", 0, 0.6],
  ["Less contrast", 0, 1.6],
];
const LARGEST = 1024;

// Names and values of the windows to choose from; "" is the image's own.
export function windowsFor(modality, own) {
  const steps = own ? STEPS.map(([name, shift, factor]) => [name, own[0] + shift * own[1], own[1] * factor]) : [];
  const offered = modality === "CT" ? OF_CT : steps;
  return [["As sent", ""], ...offered.map(([name, centre, width]) => [name, `${rounded(centre)},${rounded(Math.max(width, 1))},linear`])];
}

function rounded(value) {
  return Math.round(value * 100) / 100;
}

// As many pixels as the stage has, in steps, so that turning a phone does not ask for all of it anew.
export function queryOf(stage, chosen) {
  const side = Math.min(LARGEST, Math.ceil((stage.clientWidth * window.devicePixelRatio) / 256) * 256 || LARGEST);
  return new URLSearchParams({ viewport: `${side},${side}`, quality: "85", ...(chosen ? { window: chosen } : {}) }).toString();
}
