// What a started line may become. No access to the page.

/**
 * Whole lines, for a line whose last word is unfinished: commands by their first word, then players by id or
 * name where the command's usage has `<id>`.
 */
export function completions(line, usages, players) {
  const typed = line.trimStart();
  if (!typed) return [];
  const [word, ...rest] = typed.split(/\s+/);
  if (!rest.length) return commandsLike(word, usages);
  const usage = usages.find((each) => first(each).toLowerCase() === word.toLowerCase());
  if (usage === undefined || rest.length > 1 || !usage.includes("<id>")) return [];
  const begun = rest[0].toLowerCase();
  const more = usage.endsWith("<id>") ? "" : " ";
  return players
    .filter((player) => [player.name, player.gameId].some((known) => known.toLowerCase().startsWith(begun)))
    .map((player) => `${first(usage)} ${player.name}${more}`);
}

const first = (usage) => usage.split(" ", 1)[0];

function commandsLike(word, usages) {
  const begun = word.toLowerCase();
  return usages
    .filter((usage) => first(usage).toLowerCase().startsWith(begun))
    .map((usage) => first(usage) + (usage.includes(" ") ? " " : ""));
}
