// Puts a .br beside each file that is named on standard input, one a line: for deploy/front_end.py, by Node.js alone.
// Quality 9 of 11: a fifth smaller than gzip in a quarter of a minute; 11 wins another tenth in two minutes.
const { readFileSync, writeFileSync } = require("node:fs");
const { brotliCompressSync, constants } = require("node:zlib");

const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_LGWIN]: 24 };
for (const file of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  writeFileSync(`${file}.br`, brotliCompressSync(readFileSync(file), { params }));
}
