// Unpacks Chromium and the libraries that it needs from @sparticuz/chromium: node unpack.mjs FOLDER.
import { spawnSync } from "node:child_process";
import { createReadStream, createWriteStream } from "node:fs";
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { createBrotliDecompress } from "node:zlib";

const packed = fileURLToPath(new URL("node_modules/@sparticuz/chromium/bin", import.meta.url));
const folder = process.argv[2];
await mkdir(folder, { recursive: true });
const unpack = (name, to) =>
  pipeline(createReadStream(join(packed, name)), createBrotliDecompress(), createWriteStream(to));

for (const name of ["al2023", "fonts", "swiftshader"]) {
  const archive = join(folder, `${name}.tar`);
  await unpack(`${name}.tar.br`, archive);
  spawnSync("tar", ["xf", archive, "-C", folder], { stdio: "inherit" });
}
await writeFile(
  join(folder, "fonts.conf"),
  `<fontconfig><dir>${join(folder, "fonts")}</dir><cachedir>${join(folder, "cache")}</cachedir></fontconfig>`,
);
await unpack("chromium.br", join(folder, "part"));
await chmod(join(folder, "part"), 0o755);
await rename(join(folder, "part"), join(folder, "chromium"));
