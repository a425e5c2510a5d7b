/* A PDF's text and title by pdf.js, or null for one that it can't open without a password. Runs in the page. */
async () => {
  const pdfjs = await import("http://pdf.local/pdf.mjs");
  pdfjs.GlobalWorkerOptions.workerSrc = "http://pdf.local/pdf.worker.mjs";
  let document;
  try { document = await pdfjs.getDocument({ url: "http://pdf.local/file.pdf", useSystemFonts: true, verbosity: 0 }).promise; } catch { return null; }
  const pages = [];
  for (let number = 1; number <= document.numPages; number += 1) {
    try {
      const { items } = await (await document.getPage(number)).getTextContent();
      pages.push(items.map((item) => item.str + (item.hasEOL ? "\n" : "")).join(""));
    } catch { /* a damaged page shows nothing */ }
  }
  const { info } = await document.getMetadata().catch(() => ({ info: {} }));
  await document.destroy();
  /* Hyphens inside words do not count, so that one at the end of a line is none either. */
  const text = pages.join("\n").replace(/([\p{L}\p{N}])[-\u2010\u00ad]\n(?=[\p{L}\p{N}])/gu, "$1");
  /* TeX sets an accent as a sign of its own, before its letter. */
  const accents = { "\u00a8": "\u0308", "\u00b4": "\u0301", "\u02c6": "\u0302", "\u02dc": "\u0303" };
  const whole = text.replace(/([\u00a8\u00b4\u02c6\u02dc])(\p{L})/gu, (_, accent, letter) =>
    (letter === "\u0131" ? "i" : letter) + accents[accent]);
  return { text: whole, title: info?.Title ?? "" };
}
