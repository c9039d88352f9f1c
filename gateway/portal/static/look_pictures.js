// The pictures of one series: those near the one that is looked at are fetched before anybody asks for them.
const MOST = 150;
const AT_ONCE = 4;
const AHEAD = 40;
const BEHIND = 10;

export function pictures(frames, query) {
  const known = new Map();
  let wanted = [];
  let busy = 0;

  function load(at) {
    const image = new Image();
    image.src = `${frames[at].url}?${query}`;
    const loaded = image.decode().then(() => image);
    known.set(at, loaded);
    loaded.catch(() => known.delete(at)); // so that it is asked for again
    if (known.size > MOST) known.delete(known.keys().next().value);
    return loaded;
  }

  function go() {
    while (busy < AT_ONCE && wanted.length) {
      const at = wanted.shift();
      if (known.has(at)) continue;
      busy += 1;
      load(at)
        .catch(() => {})
        .finally(() => {
          busy -= 1;
          go();
        });
    }
  }

  return {
    get: (at) => known.get(at) ?? load(at),
    // What is looked at, and in which direction (1 or -1) somebody is moving.
    near(at, direction) {
      const ahead = Array.from({ length: AHEAD }, (_, step) => at + direction * (step + 1));
      const behind = Array.from({ length: BEHIND }, (_, step) => at - direction * (step + 1));
      wanted = [...ahead, ...behind].filter((each) => each >= 0 && each < frames.length);
      go();
    },
    stop() {
      wanted = [];
    },
  };
}
