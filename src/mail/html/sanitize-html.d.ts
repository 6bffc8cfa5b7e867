// What we use of sanitize-html, whose own types bring another version of its parser along.

declare module 'sanitize-html' {
  interface Tag {
    readonly tagName: string
    readonly attribs: Readonly<Record<string, string>>
  }

  interface Options {
    readonly allowedTags: readonly string[]
    readonly nonTextTags: readonly string[]
    readonly allowedAttributes: Readonly<Record<string, readonly string[]>>
    readonly allowedSchemes: readonly string[]
    readonly allowedSchemesByTag: Readonly<Record<string, readonly string[]>>
    readonly allowProtocolRelative: boolean
    readonly parseStyleAttributes: boolean
    readonly nestingLimit: number
    readonly parser: { readonly decodeEntities: boolean }
    readonly transformTags: Readonly<
      Record<string, (tagName: string, attribs: Readonly<Record<string, string>>) => Tag>
    >
    readonly onOpenTag: () => void
    readonly onCloseTag: () => void
  }

  export default function sanitizeHtml(html: string, options: Options): string
}
