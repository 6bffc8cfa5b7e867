// The logger lets nothing through that is not on its list, and says of something thrown only what it is and where.
import { describe, expect, it } from 'vitest'
import { createLog, describeThrown, type LogFields } from '../src/log.ts'

function written(fields: Record<string, unknown>): Record<string, unknown> {
  const lines: string[] = []
  createLog((line) => lines.push(line)).error('bug', fields as LogFields)
  expect(lines).toHaveLength(1)
  return JSON.parse(lines[0] ?? '') as Record<string, unknown>
}

describe('the log', () => {
  it('drops fields it does not know, and values that are neither text nor number', () => {
    const nested = { access_token: 'MARKED' }
    expect(
      written({
        status: 500,
        access_token: 'MARKED',
        headers: nested,
        error_at: nested,
        route: ['MARKED'],
        code: null,
        count: true,
      }),
    ).toEqual({ level: 'error', event: 'bug', status: 500 })
  })

  it('cuts long text, and keeps one line whatever stands in it', () => {
    const line = written({ problem: `a\n{"level":"info"}\n${'x'.repeat(1_000)}` })
    expect(String(line.problem)).toHaveLength(200)
  })
})

describe('something thrown', () => {
  it('is told by class, code and place, never by its message, however that is laid out', () => {
    const thrown = Object.assign(new TypeError('MARKED\n    at MARKED (MARKED.ts:1:1)\nat MARKED'), { code: '42703' })
    const told = describeThrown(thrown)
    expect(told).toMatchObject({ error_name: 'TypeError', error_code: '42703' })
    expect(told.error_at).toMatch(/^at .*log\.test\.ts:\d+:\d+/)
    expect(JSON.stringify(told)).not.toContain('MARKED')
  })

  it('is told by its type where it is no error', () => {
    expect(describeThrown('MARKED')).toEqual({ error_name: 'string' })
    expect(describeThrown(null)).toEqual({ error_name: 'object' })
    expect(describeThrown(Object.assign(new Error(''), { code: { secret: 'MARKED' } }))).not.toHaveProperty(
      'error_code',
    )
  })
})
