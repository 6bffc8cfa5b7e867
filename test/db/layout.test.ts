// What a statement's text loses on its way to the wire: its layout, and nothing that PostgreSQL reads.
import { describe, expect, it } from 'vitest'
import { withoutLayout } from '../../src/db/client.ts'
import { query } from '../support/database.ts'

describe('the text of a statement', () => {
  it('loses line breaks, indentation and whole-line comments', () => {
    expect(
      withoutLayout(
        '\n  WITH a AS (\n    -- Why it is so.\n    -- And more.\n    SELECT 1\n  )\n\n  SELECT * FROM a\n',
      ),
    ).toBe('WITH a AS ( SELECT 1 ) SELECT * FROM a')
    expect(withoutLayout('SELECT 1\n-- first\n\n  -- second\nFROM b')).toBe('SELECT 1 FROM b')
  })

  it('keeps what stands within a line: literals with blanks and dashes, operators', () => {
    const text = `SELECT 'a  --  b', '--', 3 - -2 AS "n", '{"a": 1}'::jsonb ->> 'a'`
    expect(withoutLayout(text)).toBe(text)
  })

  it('means the same to PostgreSQL', async () => {
    const [row] = await query<{ a: string; n: number }>(
      withoutLayout(`SELECT
        -- A comment with 'quotes' and $1.
        '--' || ' x' AS a,
        3 -
        -2 AS n`),
    )
    expect(row).toEqual({ a: '-- x', n: 5 })
  })
})
