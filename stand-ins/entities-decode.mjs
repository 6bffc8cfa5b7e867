// Stands in for entities/decode, whose table of 2,231 names is 14 KB compressed. The tokenizer is always told not to decode
// (entities stay as they were written, and src/mail/html-entities.ts decodes attributes), so only the shapes are missed.

export const htmlDecodeTree = null
export const xmlDecodeTree = null
export const DecodingMode = { Legacy: 0, Strict: 1, Attribute: 2 }

/** Constructed by every tokenizer; none of its methods is there to be called. */
export class EntityDecoder {}
