// Fields of a form, each with its label, hint and what is wrong with it, tied together for those who hear the page; and
// the way from a verb's refusal to a sentence beside its field. Shows what it is given and asks nobody.

import type { Child } from 'hono/jsx'
import { AppError, type ErrorCode } from '../../errors.ts'
import { Notice } from './parts.tsx'
import { waitWords, wordsFor } from './refusal-words.tsx'

/** A sentence for each field that was refused, by the field's name in the form. */
export type Problems = Readonly<Record<string, string>>

export interface FieldProps {
  readonly name: string
  readonly label: string
  readonly type?: 'text' | 'email' | 'password' | 'file'
  readonly value?: string
  readonly hint?: Child
  readonly problems?: Problems
  readonly autocomplete?: string
  readonly inputmode?: 'numeric' | 'email' | 'text'
  readonly presence?: 'required' | 'optional'
  readonly maxlength?: number
  readonly accept?: string
  /** Beside a label that another form of the page uses, too. */
  readonly idPrefix?: string
  /** Words in a language: a phone may begin them with a capital, and check how they are spelt. */
  readonly isProse?: boolean
}

/** A labelled input. Required unless told; what was typed is kept, passwords never. */
export const Field = (props: FieldProps) => {
  const { name, label, type = 'text', hint, presence = 'required' } = props
  const id = `${props.idPrefix ?? 'field'}-${name.replaceAll('_', '-')}`
  const problem = props.problems?.[name]
  const isCode = type === 'text' && props.autocomplete !== 'name' && props.isProse !== true
  const described = [hint === undefined ? null : `${id}-hint`, problem === undefined ? null : `${id}-problem`]
    .filter((part) => part !== null)
    .join(' ')
  return (
    <div class="field">
      <label for={id}>
        {label} {presence === 'optional' ? <span class="optional">optional</span> : null}
      </label>
      {hint === undefined ? null : (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      <input
        id={id}
        name={name}
        type={type}
        value={type === 'password' || type === 'file' ? undefined : props.value}
        required={presence === 'required'}
        autocomplete={props.autocomplete ?? 'off'}
        inputmode={props.inputmode}
        maxlength={props.maxlength}
        accept={props.accept}
        autocapitalize={isCode ? 'none' : undefined}
        spellcheck={isCode ? false : undefined}
        aria-describedby={described === '' ? undefined : described}
        aria-invalid={problem === undefined ? undefined : 'true'}
      />
      {problem === undefined ? null : (
        <p class="field-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  )
}

/** A form of this page: it posts to the page's own path and says with `action` what is asked for. */
export const PageForm = ({
  path,
  action,
  label,
  children,
  encoding,
}: {
  path: string
  action: string
  label?: string
  children?: Child
  encoding?: 'multipart/form-data'
}) => (
  <form method="post" action={path} class="form" enctype={encoding} aria-label={label}>
    <input type="hidden" name="action" value={action} />
    {children}
  </form>
)

export const Submit = ({
  children,
  tone = 'primary',
}: {
  children?: Child
  tone?: 'primary' | 'danger solid' | 'plain'
}) => (
  <button class={`button ${tone}`} type="submit">
    {children}
  </button>
)

/** What several pages say beside a field of this name. */
export const fieldSentences = {
  email: 'This is no e-mail address we can write to.',
  username: 'A user name has 3 to 32 letters, digits, dots, hyphens or underscores, and begins with a letter or digit.',
  full_name: 'A name has at most 200 characters.',
  new_password: 'A password has 8 to 128 characters, and is neither your address nor your user name.',
} as const

/** What a verb refused, as the page says it: beside the fields, or in a notice above them. */
export interface Refused {
  readonly status: AppError['status']
  readonly code: ErrorCode
  readonly problems: Problems
  readonly retryAfterSeconds: number | null
}

/**
 * The refusal of `thrown` where it is one that the page itself can show; everything else is thrown on: sessions that
 * ended, missing presence, outages have answers of their own.
 * @param sentences what to say beside a field, by the path the verb or schema names, or by a code of `fields`
 * @param fields beside which field a code is said
 */
export function shownRefusal(
  thrown: unknown,
  sentences: Readonly<Record<string, string>>,
  fields: Readonly<Partial<Record<ErrorCode, string>>> = {},
): Refused {
  if (!(thrown instanceof AppError)) throw thrown
  const { code, status, retryAfterSeconds } = thrown
  if ([401, 403].includes(status) && code !== 'invalid_credentials') throw thrown
  if (status >= 500) throw thrown
  const problems: Record<string, string> = {}
  for (const { path, message } of thrown.errors) problems[path] = sentences[path] ?? `This ${message}.`
  const field = fields[code]
  if (field !== undefined) problems[field] = sentences[code] ?? wordsFor(code).text
  return { status, code, problems, retryAfterSeconds }
}

/** The notice above a form that was refused. */
export const RefusedNotice = ({ refused, title }: { refused: Refused | null; title: string }) => {
  if (refused === null) return null
  const sentences = Object.values(refused.problems)
  const words = wordsFor(refused.code)
  return (
    <Notice tone="bad" title={sentences.length > 0 ? title : words.title}>
      {sentences.length === 0 ? <p>{words.text}</p> : null}
      {sentences.length > 0 ? (
        <ul>
          {sentences.map((sentence) => (
            <li>{sentence}</li>
          ))}
        </ul>
      ) : null}
      {refused.retryAfterSeconds === null ? null : <p>Try again in {waitWords(refused.retryAfterSeconds)}.</p>}
    </Notice>
  )
}
