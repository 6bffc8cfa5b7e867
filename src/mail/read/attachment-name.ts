// What a stranger called an attachment, made fit to be saved: a name and a media type that open nothing by themselves.
// Pure.

const nameBytesMost = 150
const extensionLength = 16

/** Direction marks reverse what a name seems to end in; invisible signs hide a part of it. */
const deceptive = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/** Names that Windows takes for devices, whatever follows their first dot. */
const device = /^(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?=\s*(\.|$))/i

const encoder = new TextEncoder()

/** Without path, control and direction signs, device names, and dots or spaces at its ends; at most 150 bytes. Never empty. */
export function safeFilename(filename: string): string {
  const last = filename.toWellFormed().replace(deceptive, '').split(/[/\\]/).at(-1) ?? ''
  const name = last
    .replace(/[<>:"|?*\uFFFD]/g, '_')
    .replace(/\s+/g, ' ')
    .replace(/^[\s.]+|[\s.]+$/g, '')
  const harmless = name.replace(device, '_$1')
  return shortened(harmless) || 'attachment'
}

/** The end tells what it is: of a long name the middle goes. */
function shortened(name: string): string {
  if (encoder.encode(name).length <= nameBytesMost) return name
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && name.length - dot <= extensionLength ? name.slice(dot) : ''
  const left = nameBytesMost - encoder.encode(extension).length
  let stem = ''
  let bytes = 0
  for (const character of name) {
    bytes += encoder.encode(character).length
    if (bytes > left) break
    stem += character
  }
  return `${stem.replace(/[\s.]+$/, '')}${extension}`
}

/** `Content-Disposition` of a download (RFC 6266), the name in both of its spellings (RFC 8187). */
export function contentDisposition(filename: string): string {
  const name = safeFilename(filename)
  // What is compatible with a slash or a colon becomes one: it is made safe after that, not before.
  const plain = safeFilename(name.normalize('NFKD').replace(/\p{M}/gu, ''))
    .replace(/[^\x20-\x7E]/gu, '_')
    .replace(/["\\%]/g, '_')
  const encoded = encodeURIComponent(name).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

/** Kinds that no browser runs: pictures but SVG, sound, films, documents and archives, text that is only text. */
const harmlessType =
  /^(image\/(?!svg)[\w.+-]+|(audio|video|font)\/[\w.+-]+|text\/(plain|csv|calendar)|application\/(pdf|zip|gzip|rtf|json|msword|vnd\.[\w.+-]+))$/

/** The type as it was sent where it is one of these and no XML; else a heap of bytes. */
export function safeContentType(contentType: string): string {
  const isHarmless =
    contentType.length <= 100 && harmlessType.test(contentType) && !/(\+|\/|\.)(xml|html?)$/.test(contentType)
  return isHarmless ? contentType : 'application/octet-stream'
}
