// Unpacks the Chromium of @sparticuz/chromium and its libraries: node unpack.mjs FOLDER
import { execFileSync } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createBrotliDecompress } from "node:zlib";

const folder = process.argv[2];
const packed = fileURLToPath(new URL("node_modules/@sparticuz/chromium/bin", import.meta.url));
await mkdir(folder, { recursive: true });

async function unpack(name, target) {
  await pipeline(createReadStream(join(packed, name)), createBrotliDecompress(), createWriteStream(target));
}

for (const name of ["al2023.tar", "fonts.tar"]) {
  const archive = join(folder, name);
  await unpack(`${name}.br`, archive);
  execFileSync("tar", ["xf", archive, "-C", folder]);
  await rm(archive);
}
// It names the folders of AWS Lambda.
const fonts = join(folder, "fonts.conf");
await writeFile(fonts, (await readFile(fonts, "utf8")).replaceAll(/(?<=<(dir|cachedir)>)[^<]*/g, join(folder, "fonts")));
// Last, and by its name only when it is whole: its presence says that all is there.
await unpack("chromium.br", join(folder, "chromium.part"));
await chmod(join(folder, "chromium.part"), 0o755);
await rename(join(folder, "chromium.part"), join(folder, "chromium"));
