// What is asked for: words, a file or a moment of the library, and words after a minus that it should not be like.

// Of a minus by itself, or before signs alone, nothing is meant.
const UNWANTED = /(^|\s)-(?:"([^"]*[\p{L}\p{N}][^"]*)"|([^\s"-]*[\p{L}\p{N}]\S*))/gu;
export const MOST_PARTS = 8;
const UNWANTED_WEIGHT = -1;

/** `a door -dark -"green torch"` to what is wanted ("a door") and what is not (["dark", "green torch"]). */
export function wordsOf(text) {
  const unwanted = [...text.matchAll(UNWANTED)].map((match) => match[2] ?? match[3]);
  return { wanted: text.replace(UNWANTED, " ").replace(/\s+/g, " ").trim(), unwanted };
}

/** The parts of a composed query; one part alone means a plain search. */
export function partsOf({ q, file, kind, moment }) {
  const { wanted, unwanted } = wordsOf(q);
  return [
    ...(file ? [{ file: "file", kind }] : []),
    ...(moment ? [{ segment_id: moment.segment_id }] : []),
    ...(wanted ? [{ text: wanted }] : []),
    ...unwanted.map((text) => ({ text, weight: UNWANTED_WEIGHT })),
  ];
}

/** How many of the parts say what is wanted: they come first. */
export const wantedOf = (parts) => parts.filter((part) => !(part.weight < 0)).length;
