// A person's name as a provider writes it, made fit to be stored and shown. Pure.

/** Without control and format characters, 200 characters at most; null where nothing readable is left. */
export function readName(name: string | null): string | null {
  const readable = [...(name ?? '').replaceAll(/\p{C}/gu, '')].slice(0, 200).join('').trim()
  return readable === '' ? null : readable
}
