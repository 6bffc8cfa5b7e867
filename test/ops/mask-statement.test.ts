// AP-14: a statement's text without its literals, whatever somebody put into them. Each hostile text carries the marker
// where a value stands; no reading of it may show the marker.
import { describe, expect, it } from 'vitest'
import { maskStatement } from '../../src/ops/mask-statement.ts'

const secret = 'SECRET9'

describe('a statement that is shown', () => {
  it.each([
    [
      `SELECT * FROM users WHERE email_address_txt = 'a@b.test' AND n = 42`,
      'SELECT * FROM users WHERE email_address_txt = ? AND n = ?',
    ],
    [
      'SELECT "isAdmin", t.id FROM t1 WHERE a = $1::uuid AND b > $12',
      'SELECT "isAdmin", t.id FROM t1 WHERE a = $1::uuid AND b > $12',
    ],
    ['select 1.5e10, 0xFF, 1_000, 12abc, .5', 'select ?, ?, ?, ?, .?'],
    [
      `INSERT INTO t VALUES (E'a\\'b', N'x', B'01', X'ff', U&'\\0041', $$x$$, $a$ $$ $a$)`,
      'INSERT INTO t VALUES (?, ?, ?, ?, ?, ?, ?)',
    ],
    [`/* app='x' */ WITH a AS (SELECT 1) -- note 'it\nSELECT * FROM a`, 'WITH a AS (SELECT ?) SELECT * FROM a'],
    [`CREATE ROLE bob LOGIN PASSWORD 'x'`, 'CREATE …'],
    [`SET gatepost.token = abc`, 'SET …'],
    [`COPY users (email) FROM '/tmp/x' WITH (FORMAT csv)`, 'COPY …'],
    ['VACUUM (ANALYZE) users', 'VACUUM …'],
    ['CREATE INDEX CONCURRENTLY i ON public.users (a)', 'CREATE … ON public.users'],
    ['<insufficient privilege>', '…'],
    ['', '…'],
  ])('AP-14 %j', (text, shown) => {
    expect(maskStatement(text)).toBe(shown)
  })

  it('AP-14 is cut where it is long', () => {
    expect(maskStatement(`SELECT ${'a, '.repeat(5_000)}b`).length).toBeLessThan(2_010)
  })
})

describe('a statement with something in it', () => {
  it.each([
    `SELECT '${secret}'`,
    `SELECT 'it''s ${secret}'`,
    `SELECT E'it\\'s ${secret}'`,
    `SELECT e'\\\\', '${secret}'`,
    `SELECT 'it\\'s ${secret}'`,
    `SELECT 'a\\', ' ${secret} '`,
    `SELECT 'a\\', b ${secret}`,
    `SELECT U&'\\0053${secret}' UESCAPE '!'`,
    `SELECT U&"${secret} \\0041"`,
    `SELECT "${secret} with space"`,
    `SELECT "a""${secret}"`,
    `SELECT $$ ' ${secret} $$`,
    `SELECT $tag$ $$ ' ${secret} $tag$, 'x'`,
    `SELECT $ä$ ${secret} $ä$`,
    `SELECT $tag$ ${secret} $Tag$ ${secret}`,
    `SELECT a$b$ '${secret}' $b$`,
    `SELECT $1$ ${secret} $1$`,
    `SELECT 'unterminated ${secret}`,
    `SELECT $$unterminated ${secret}`,
    `SELECT "unterminated ${secret}`,
    `SELECT /* it's ${secret} */ 'x'`,
    `SELECT /* /* nested */ ${secret} */ 1`,
    `SELECT /* unterminated ${secret}`,
    `SELECT 1 -- it's ${secret}`,
    `SELECT 1 --\r'${secret}\n${secret}'`,
    `SELECT '--' , '${secret}'`,
    `SELECT '/*', '${secret}', '*/'`,
    `SELECT E'a'\n'${secret}\\' ${secret}'`,
    `SELECT 'a'\n'${secret}'`,
    `SELECT n'${secret}', x'${secret}', b'${secret}'`,
    `SELECT 1'${secret}'`,
    `SELECT 7${secret}`,
    `SELECT -- '\n'${secret}'`,
    `SELECT \\'${secret}`,
    `DO $x$ BEGIN PERFORM '${secret}'; END $x$`,
    `DO LANGUAGE plpgsql '${secret}'`,
    `ALTER ROLE x PASSWORD '${secret}'`,
    `ALTER ROLE x SET a.b = ${secret}`,
    `NOTIFY channel, '${secret}'`,
    `NOTIFY ${secret}`,
    `PREPARE p AS SELECT '${secret}'`,
    `SELECT 1; ALTER ROLE x PASSWORD '${secret}'`,
    `SELECT 1; SET app.token TO ${secret}`,
    `EXPLAIN SELECT * FROM users WHERE a = '${secret}'`,
    `COPY t FROM PROGRAM 'curl ${secret}'`,
    `COMMENT ON TABLE t IS '${secret} FROM ${secret}'`,
    `CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''${secret}'''`,
    `'${secret}'`,
    `;${secret}`,
    `\u00a0${secret}`,
    `SELECT '${'x'.repeat(9_000)}${secret}`,
  ])('AP-14 hides what was typed, way %#', (text) => {
    expect(maskStatement(text)).not.toContain(secret)
  })

  it('AP-14 hides it wherever the text was cut off', () => {
    const whole = `INSERT INTO t (a, "b c") VALUES ('x''y', E'a\\'${secret}', $q$ ${secret} $q$, 12) /* ${secret} */ -- ${secret}`
    for (let length = 0; length <= whole.length; length += 1)
      expect(maskStatement(whole.slice(0, length))).not.toMatch(/SECR/)
  })
})
