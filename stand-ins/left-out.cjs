// Stands in for packages that sanitize-html asks for and never runs as we call it: postcss (it would parse the attribute
// `style`, which mail/safe-html-style.ts decides), deepmerge and parse-srcset (of options we do not use) and dayjs (of a
// sibling's reader of dates). See docs/decisions/0032-html-mail.md.

module.exports = {}
