// Address lists of mail headers (RFC 5322 section 3.4, the part of it that mail uses). Pure.

export interface Address {
  readonly name: string
  readonly address: string
}

/** Every mailbox of the list; null where one of them cannot be read. Groups and comments are understood. */
export function readAddresses(list: string): Address[] | null {
  const found: Address[] = []
  for (const piece of splitList(list)) {
    const text = piece.trim()
    if (text === '') continue
    const [, quotedName, address = text] = /^(.*?)<([^<>]*)>\s*$/s.exec(text) ?? []
    if (!/^[^\s@<>(),;:"]+@[^\s@<>(),;:"]+$/.test(address.trim())) return null
    const name = (quotedName ?? '')
      .trim()
      .replace(/^"(.*)"$/s, '$1')
      .replace(/\\(.)/g, '$1')
    found.push({ name, address: address.trim() })
  }
  return found
}

/** Commas, and the marks of a group, outside of quotes and brackets. */
function splitList(list: string): string[] {
  const pieces: string[] = []
  let [piece, isQuoted, isBracketed, comments] = ['', false, false, 0]
  for (let at = 0; at < list.length; at++) {
    const character = list[at] ?? ''
    if (character === '\\' && (isQuoted || comments > 0)) {
      if (comments === 0) piece += character + (list[at + 1] ?? '')
      at++
      continue
    }
    if (comments > 0 || (character === '(' && !isQuoted)) {
      comments += character === '(' ? 1 : character === ')' ? -1 : 0
      continue
    }
    if (character === '"') isQuoted = !isQuoted
    else if (character === '<' && !isQuoted) isBracketed = true
    else if (character === '>' && !isQuoted) isBracketed = false
    const isFree = !isQuoted && !isBracketed
    if (isFree && character === ':') {
      piece = ''
      continue
    }
    if (isFree && (character === ',' || character === ';')) {
      pieces.push(piece)
      piece = ''
      continue
    }
    piece += character
  }
  return [...pieces, piece]
}
