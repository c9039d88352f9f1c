// A quick look at images, made of rendered pictures: choose a series, go through it, choose a window.
import { pictures } from "./look_pictures.js";
import { findSeries, framesOf } from "./look_series.js";
import { queryOf, windowsFor } from "./look_windows.js";
import { watchMoves } from "./look_moves.js";

const part = (name) => document.getElementById(`look-${name}`);
const showing = { series: null, frames: [], at: 0, pictures: null, turn: 0, playing: 0 };

function note(text) {
  part("note").textContent = text;
  part("note").hidden = !text;
}

function draw(image, frame) {
  const canvas = part("canvas");
  const shape = frame.shape ?? image.naturalWidth / image.naturalHeight;
  canvas.height = image.naturalHeight;
  canvas.width = Math.max(1, Math.round(image.naturalHeight * shape));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
}

async function show(at) {
  const { frames } = showing;
  const next = Math.min(Math.max(at, 0), frames.length - 1);
  const direction = next < showing.at ? -1 : 1;
  const turn = (showing.turn += 1);
  showing.at = next;
  const where = `${next + 1} of ${frames.length}`;
  part("count").textContent = where;
  part("slider").value = String(next + 1);
  part("slider").setAttribute("aria-valuetext", `Image ${where}`);
  part("canvas").setAttribute("aria-label", `${part("title").textContent}, image ${where}`);
  try {
    const image = await showing.pictures.get(next);
    if (turn !== showing.turn) return;
    draw(image, frames[next]);
    note("");
  } catch {
    if (turn === showing.turn) note("This image cannot be shown as a picture. Look at it in the viewer.");
  }
  if (turn === showing.turn) showing.pictures.near(next, direction);
}

function begin() {
  showing.pictures?.stop();
  const chosen = part("window").selectedOptions[0]?.value ?? "";
  showing.pictures = pictures(showing.frames, queryOf(part("stage"), chosen));
  return show(showing.at);
}

function play(on) {
  clearInterval(showing.playing);
  showing.playing = on ? setInterval(() => show((showing.at + 1) % showing.frames.length), 120) : 0;
  part("play").setAttribute("aria-pressed", String(on));
  part("play").textContent = on ? "Stop" : "Play";
}

function offerWindows() {
  const options = windowsFor(showing.series.modality, showing.frames[0]?.window);
  part("window").replaceChildren(...options.map(([name, value]) => new Option(name, value)));
  part("window").closest("label").hidden = options.length < 2;
}

async function choose(series, button) {
  play(false);
  for (const each of part("series").children) each.setAttribute("aria-pressed", String(each === button));
  note("The series is being opened.");
  const frames = await framesOf(series).catch(() => []);
  if (!frames.length) {
    note("There is no picture in this series.");
    return;
  }
  Object.assign(showing, { series, frames, at: series.modality === "KO" || frames.length < 3 ? 0 : Math.floor(frames.length / 2) });
  part("title").textContent = [series.title, series.when].filter(Boolean).join(" · ");
  part("slider").max = String(frames.length);
  for (const name of ["slider", "back", "on", "play"]) part(name).hidden = frames.length < 2;
  part("show").hidden = false;
  offerWindows();
  await begin();
}

function card(series) {
  const button = document.createElement("button");
  const picture = new Image(96, 96);
  const name = document.createElement("span");
  const about = document.createElement("small");
  button.type = "button";
  button.title = series.study;
  picture.src = series.thumbnail ?? `${series.path}/thumbnail`;
  picture.alt = "";
  picture.loading = "lazy";
  name.textContent = series.title;
  name.dir = "auto";
  about.textContent = [series.modality, series.count === 1 ? "1 image" : `${series.count} images`, series.when].filter(Boolean).join(" · ");
  button.append(picture, name, about);
  button.addEventListener("click", () => choose(series, button));
  return button;
}

async function start(look) {
  const found = await findSeries(look.dataset.root, look.dataset.own.split(" ")).catch((error) => error);
  if (found instanceof Error) {
    note(found.message === "404" ? "There is nothing to see here any more." : "The images cannot be had now. Load this page again in a minute.");
    return;
  }
  if (!found.length) {
    note("There are no images to look at.");
    return;
  }
  part("series").replaceChildren(...found.map(card));
  part("series").hidden = false;
  watchMoves(part("stage"), { by: (step) => show(showing.at + step), to: (at) => show(at), count: () => showing.frames.length });
  part("slider").addEventListener("input", () => show(Number(part("slider").value) - 1));
  part("back").addEventListener("click", () => show(showing.at - 1));
  part("on").addEventListener("click", () => show(showing.at + 1));
  part("play").addEventListener("click", () => play(!showing.playing));
  part("window").addEventListener("change", begin);
  await choose(found[0], part("series").firstChild);
  if (window.matchMedia("(max-width: 48rem)").matches) part("show").scrollIntoView({ block: "nearest" });
}

start(document.getElementById("look"));
