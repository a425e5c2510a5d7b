/* Collects what Chromium shows of a page, line by line. Runs in the page; returns {lines, all}.

   lines: [text, kind] with kind "" (text), "menu" or "control"; all: every text and address in the document,
   shown or not. What is a menu is decided here, by the share of words that stand in links. */
() => {
  const LEAST_LINKS = 2, DENSE = 0.75, LONG = 6;
  const INLINE = /^(inline|inline-block|inline-flex|inline-grid|inline-table|contents|ruby|ruby-base|ruby-text|math)$/;
  const words = (text) => (text.match(/[\p{L}\p{N}]+/gu) || []).length;
  for (const details of document.querySelectorAll("details")) details.open = true;

  const lines = [];
  let line = null;
  const end = () => { if (line && line.text.trim()) lines.push(line); line = null; };
  const clipped = (element, style) => {
    const box = element.getBoundingClientRect();
    if (box.right + scrollX <= 0 || box.bottom + scrollY <= 0) return box.width > 0 && box.height > 0;
    return style.overflow !== "visible" && style.position === "absolute" && (box.width <= 2 || box.height <= 2);
  };
  const shown = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    return range.getClientRects().length > 0;
  };
  const heads = (element) => element.closest("h1,h2,h3,h4,h5,h6") || element.querySelector("h1,h2,h3,h4,h5,h6");

  const stats = new Map();
  const walk = (element, path, state) => {
    const style = getComputedStyle(element);
    if (style.display === "none" || clipped(element, style) || style.opacity === "0") return;
    if (element.matches("math, .katex, .MathJax, mjx-container, svg title, svg desc")) return;
    const block = !INLINE.test(style.display);
    if (block) end();
    if (element.tagName === "BR") { end(); return; }
    if (block) path = [...path, element];
    const link = state.link || (element.tagName === "A" && element.hasAttribute("href"));
    if (element.tagName === "A" && element.hasAttribute("href"))
      for (const box of path) stats.set(box, (stats.get(box) || 0) + 1);
    const control = state.control
      || (element.matches("button, [role=button], select, input, textarea") && !heads(element));
    const unread = state.unread || style.userSelect === "none";
    if (element.tagName === "SUP" && line && /[\p{L}\p{N}]$/u.test(line.text) && /^[\p{N}\[]/u.test(element.textContent.trim()))
      line.text += " ";
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) {
        if (!child.data) continue;
        if (!child.data.trim()) { if (line) line.text += " "; continue; }
        if (style.visibility !== "visible" || !shown(child)) continue;
        line ||= { text: "", linked: "", path, plain: "", control: true };
        line.text += child.data;
        if (link) line.linked += ` ${child.data} `; else line.plain += ` ${child.data} `;
        line.control &&= control || unread;
      } else if (child.nodeType === Node.ELEMENT_NODE) {
        walk(child, path, { link, control, unread });
      }
    }
    if (element.shadowRoot) for (const child of element.shadowRoot.children) walk(child, path, { link, control, unread });
    if (block) end();
  };
  walk(document.body, [], { link: false, control: false, unread: false });
  end();

  /* A block is a menu if it holds links, most of its words stand in them, and no line of it says a sentence. */
  const blocks = new Map();
  for (const one of lines) {
    const all = words(one.text), plain = words(one.plain);
    for (const box of one.path) {
      const sum = blocks.get(box) || { all: 0, plain: 0, longest: 0 };
      sum.all += all; sum.plain += plain; sum.longest = Math.max(sum.longest, plain);
      blocks.set(box, sum);
    }
  }
  const menu = (box) => {
    if (box === document.body || /^(P|TD|TH|DD|DT|LI|H[1-6]|PRE|MAIN|ARTICLE|TABLE|TR|TBODY)$/.test(box.tagName)) return false;
    const sum = blocks.get(box), links = stats.get(box) || 0;
    if (!sum || sum.longest >= LONG) return false;
    if (box.tagName === "NAV" || box.getAttribute("role") === "navigation") return true;
    return links >= LEAST_LINKS && sum.all - sum.plain >= DENSE * sum.all;
  };
  const menus = new Map();
  const isMenu = (box) => { if (!menus.has(box)) menus.set(box, menu(box)); return menus.get(box); };

  const all = [document.title];
  for (const meta of document.querySelectorAll("meta[content]")) all.push(meta.content);
  const texts = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement;
    if (parent && !/^(STYLE|SCRIPT|TEMPLATE|NOSCRIPT)$/.test(parent.tagName)) all.push(texts.currentNode.data);
  }
  for (const script of document.querySelectorAll("script[type^='math/tex']")) all.push(script.text);
  for (const element of document.querySelectorAll("[alt],[title],[aria-label],[href],[src]"))
    for (const name of ["alt", "title", "aria-label", "href", "src"]) {
      const value = element.getAttribute(name);
      if (!value || value.startsWith("data:")) continue;
      all.push(value);
      try { all.push(decodeURIComponent(value)); } catch { /* it isn't encoded */ }
    }
  for (const list of document.querySelectorAll("ol"))
    [...list.children].forEach((item, index) => all.push(String(item.value || list.start + index)));
  for (const code of document.querySelectorAll("[class*=language-],[class*=lang-]")) all.push(code.className);
  return {
    lines: lines.map((one) => [one.text.replace(/\s+/g, " ").trim(), one.control ? "control" : one.path.some(isMenu) ? "menu" : ""]),
    all: all.join("\n"),
  };
}
