// Renders Markdown and MDX to HTML, for Chromium: node render.mjs IN OUT, by markdown-it and @mdx-js/mdx.
// A component renders its children and the texts in its attributes, since its own code isn't in the file.
import { readFile, writeFile } from "node:fs/promises";
import * as runtime from "react/jsx-runtime";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import { evaluate } from "@mdx-js/mdx";
import remarkFrontmatter from "remark-frontmatter";
import remarkGfm from "remark-gfm";
import MarkdownIt from "markdown-it";
import { parse } from "yaml";

const FRONT_MATTER = /^---\r?\n([^]*?)\r?\n---\r?\n/;
const TEXTS = /^(title|text|label|description|caption|summary|heading)$/i;
const ADDRESSES = /^(href|src|link|url|id|className|class|style|key|icon|ref|target|rel)$/i;

// The strings that a reader sees of an attribute's value: three words and more, and whatever is listed or named a text.
const textsOf = (value, listed = false) => {
  if (typeof value === "string") return listed || value.trim().split(/\s+/).length >= 3 ? [value] : [];
  if (Array.isArray(value)) return value.flatMap((item) => textsOf(item, true));
  if (value && typeof value === "object" && !value.$$typeof)
    return Object.entries(value).flatMap(([name, item]) => (ADDRESSES.test(name) ? [] : textsOf(item, listed)));
  return [];
};

const Component = ({ children, ...attributes }) => {
  const texts = Object.entries(attributes).flatMap(([name, value]) =>
    ADDRESSES.test(name) ? [] : textsOf(value, TEXTS.test(name)));
  return createElement("div", null, ...texts.map((text) => createElement("p", null, text)), children);
};

// Imports name components that aren't here; expressions may need values that aren't either.
const withoutModules = (names) => () => (tree) => {
  const walk = (node) => {
    if (/^mdxJsx/.test(node.type) && node.name && /^[A-Z]/.test(node.name)) names.add(node.name);
    if (node.children) node.children = node.children.filter((child) => child.type !== "mdxjsEsm" || /^\s*export/.test(child.value));
    node.children?.forEach(walk);
  };
  walk(tree);
};

// What stands behind the opening fence of code is no text, and may be indexed.
const withMeta = () => (tree) => {
  const walk = (node) => {
    if (node.type === "code") node.data = { hProperties: { title: `${node.lang ?? ""} ${node.meta ?? ""}` } };
    node.children?.forEach(walk);
  };
  walk(tree);
};

const markdown = (source) => {
  const renderer = new MarkdownIt({ html: true, linkify: false });
  const environment = {};
  const tokens = renderer.parse(source, environment);
  for (const token of tokens) if (token.type === "fence") token.attrSet("title", token.info);
  const references = Object.entries(environment.references ?? {}).map(([name, { href }]) => `${name} ${href}`);
  const names = renderer.utils.escapeHtml(references.join(" "));
  return `${renderer.renderer.render(tokens, renderer.options, environment)}<i hidden title="${names}"></i>`;
};

const mdx = async (source) => {
  const names = new Set(Array.from(source.matchAll(/<([A-Z]\w*)/g), (found) => found[1])); // in attributes too
  const remarkPlugins = [remarkFrontmatter, remarkGfm, withMeta, withoutModules(names)];
  let components = {};
  const module = await evaluate(source, { ...runtime, remarkPlugins, useMDXComponents: () => components });
  for (const name of names) components[name] = Component;
  return renderToStaticMarkup(createElement(module.default, { components }));
};

const render = async (path) => {
  const source = await readFile(path, "utf8");
  const found = FRONT_MATTER.exec(source);
  const matter = found ? parse(found[1], { schema: "failsafe" }) : {};
  const body = path.endsWith(".mdx")
    ? await mdx(source)
    : markdown(found ? source.slice(found[0].length) : source);
  const title = /<h1[ >]/.test(body) ? undefined : matter?.title; // the heading stands for it
  const head = [title, matter?.description].filter((text) => typeof text === "string");
  const names = [matter?.title].map((text) => createElement("i", { key: "title", hidden: true }, text));
  const first = renderToStaticMarkup(head.map((text, key) => createElement("p", { key }, text)).concat(names));
  return `<!doctype html><meta charset=utf-8><body>${first}${body}</body>`;
};

const jobs = JSON.parse(await readFile(process.argv[2], "utf8"));
for (const [from, to] of jobs) {
  try { await writeFile(to, await render(from)); } catch (error) { console.error(`${from}: ${error.message}`); }
}
