// Whom an identity belongs to, tried with every combination of facts: each meets exactly one rule of DESIGN section 5.
import { describe, expect, it } from 'vitest'
import {
  type ConnectDecision,
  type ConnectFacts,
  decideConnect,
  decideSignIn,
  type LinkFacts,
  type SignInDecision,
} from '../../src/auth/link-decision.ts'
import { readProfile } from '../../src/providers/github.ts'

const holders = {
  nobody: null,
  holder: { userId: 'holder', isActive: true },
  'holder, disabled': { userId: 'holder', isActive: false },
} as const
const addressHolders = {
  nobody: null,
  'free to link': { userId: 'owner', isActive: true, hasIdentityOfProvider: false },
  'has this provider': { userId: 'owner', isActive: true, hasIdentityOfProvider: true },
  'disabled, free': { userId: 'owner', isActive: false, hasIdentityOfProvider: false },
  'disabled, has this provider': { userId: 'owner', isActive: false, hasIdentityOfProvider: true },
} as const
const emails = { 'no address': null, 'an address': 'ada@gmail.com' } as const
const proofs = { unproven: null, google: 'google', trusted: 'trusted' } as const

type Key<T> = keyof T | '*'
type Rule = readonly [
  identity: Key<typeof holders>,
  email: Key<typeof emails>,
  proof: Key<typeof proofs> | 'proven',
  address: Key<typeof addressHolders> | 'somebody',
  expected: SignInDecision,
]

const refused = (code: 'account_exists' | 'account_disabled' | 'provider_refused'): SignInDecision => ({
  kind: 'refused',
  code,
})

// Disjoint and complete: the last test counts that every combination meets one rule and one only.
const rules: readonly Rule[] = [
  ['holder', '*', '*', '*', { kind: 'existing_user', userId: 'holder' }],
  ['holder, disabled', '*', '*', '*', refused('account_disabled')],
  ['nobody', 'no address', '*', '*', refused('provider_refused')],
  ['nobody', 'an address', 'unproven', 'nobody', { kind: 'new_user', isEmailProven: false }],
  ['nobody', 'an address', 'proven', 'nobody', { kind: 'new_user', isEmailProven: true }],
  ['nobody', 'an address', 'unproven', 'somebody', refused('account_exists')],
  ['nobody', 'an address', 'proven', 'free to link', { kind: 'link', userId: 'owner' }],
  ['nobody', 'an address', 'proven', 'has this provider', refused('account_exists')],
  ['nobody', 'an address', 'proven', 'disabled, free', refused('account_disabled')],
  ['nobody', 'an address', 'proven', 'disabled, has this provider', refused('account_exists')],
]

const keys = <T extends object>(of: T): (keyof T)[] => Object.keys(of) as (keyof T)[]

interface Combination {
  name: string
  facts: LinkFacts
  rules: readonly Rule[]
}

const combinations: Combination[] = keys(holders).flatMap((identity) =>
  keys(emails).flatMap((email) =>
    keys(proofs).flatMap((proof) =>
      keys(addressHolders).map((address) => ({
        name: `identity: ${identity}; ${email}, ${proof}; address: ${address}`,
        facts: {
          profile: { email: emails[email], emailProof: proofs[proof] },
          identityHolder: holders[identity],
          addressHolder: addressHolders[address],
        },
        rules: rules.filter(
          ([i, e, p, a]) =>
            (i === '*' || i === identity) &&
            (e === '*' || e === email) &&
            (p === '*' || p === proof || (p === 'proven' && proof !== 'unproven')) &&
            (a === '*' || a === address || (a === 'somebody' && address !== 'nobody')),
        ),
      })),
    ),
  ),
)

describe('GitHub’s word, as its answers become facts', () => {
  const answer = (body: unknown) => ({ status: 200, headers: new Headers(), body: JSON.stringify(body) })
  const person = answer({ id: 1234, name: 'Ada', email: 'ada@gmail.com' })
  const lists = {
    'a verified primary address': [{ email: 'Ada@gmail.com', primary: true, verified: true }],
    'an unverified primary address': [{ email: 'Ada@gmail.com', primary: true, verified: false }],
    'a verified address that is not primary': [{ email: 'Ada@gmail.com', primary: false, verified: true }],
  } as const
  const word = { untrusted: 'untrusted', trusted: 'trusted' } as const

  const cases = keys(lists).flatMap((list) =>
    keys(word).flatMap((emailTrust) => keys(addressHolders).map((address) => ({ list, emailTrust, address }))),
  )
  it.each(cases)('$emailTrust, with $list; the address: $address', ({ list, emailTrust, address }) => {
    const read = readProfile(person, answer(lists[list]), { emailTrust, now: new Date(0) })
    if (!read.ok) throw new Error(read.code)
    const decision = decideSignIn({
      profile: read.value,
      identityHolder: null,
      // Without an address nobody is looked up.
      addressHolder: read.value.email === null ? null : addressHolders[address],
    })
    const untrusted: SignInDecision =
      address === 'nobody' ? { kind: 'new_user', isEmailProven: false } : refused('account_exists')
    const trusted: Record<typeof address, SignInDecision> = {
      nobody: { kind: 'new_user', isEmailProven: true },
      'free to link': { kind: 'link', userId: 'owner' },
      'has this provider': refused('account_exists'),
      'disabled, free': refused('account_disabled'),
      'disabled, has this provider': refused('account_exists'),
    }
    const expected = emailTrust === 'trusted' ? trusted[address] : untrusted
    expect(decision).toEqual(list === 'a verified primary address' ? expected : refused('provider_refused'))
  })
})

describe('signing in', () => {
  it('has 90 combinations, and each meets one rule', () => {
    expect(combinations).toHaveLength(90)
    expect(combinations.filter((each) => each.rules.length !== 1)).toEqual([])
  })

  it.each(combinations)('$name', ({ facts, rules: [rule] }) => {
    expect(decideSignIn(facts)).toEqual(rule?.[4])
  })

  it('OA-21 never lets an unproven address reach a user: no link, no known user, whatever else is true', () => {
    const reached = combinations.filter(
      ({ facts }) =>
        facts.profile.emailProof === null && facts.identityHolder === null && 'userId' in { ...decideSignIn(facts) },
    )
    expect(reached).toEqual([])
  })

  it('OA-37 never moves an identity: a known one decides alone', () => {
    for (const { facts } of combinations.filter((each) => each.facts.identityHolder !== null)) {
      const decision = decideSignIn(facts)
      if ('userId' in decision) expect(decision.userId).toBe('holder')
      else expect(decision).toEqual(refused('account_disabled'))
    }
  })
})

const connectHolders = {
  nobody: null,
  'the caller': { userId: 'caller', isActive: true },
  'the caller, disabled': { userId: 'caller', isActive: false },
  'somebody else': { userId: 'other', isActive: true },
  'somebody else, disabled': { userId: 'other', isActive: false },
} as const
const expectedSubjects = { 'any mailbox': null, 'this subject': 'subject', 'another subject': 'else' } as const

function connecting(facts: Pick<ConnectFacts, 'identityHolder' | 'expectedSubject' | 'wants'>): ConnectDecision {
  return decideConnect({ callerUserId: 'caller', subject: 'subject', ...facts })
}

const connectCases = keys(connectHolders).flatMap((holder) =>
  keys(expectedSubjects).flatMap((expectedSubject) =>
    (['mail', 'identity'] as const).map((wants) => ({ holder, expectedSubject, wants })),
  ),
)

describe('connecting', () => {
  it.each(connectCases)(
    '$wants; expects $expectedSubject; identity of $holder',
    ({ holder, expectedSubject, wants }) => {
      const decision = connecting({
        identityHolder: connectHolders[holder],
        expectedSubject: expectedSubjects[expectedSubject],
        wants,
      })
      const identityDecision: Record<keyof typeof connectHolders, ConnectDecision> = {
        nobody: { kind: 'add_identity' },
        'the caller': { kind: 'already_linked' },
        'the caller, disabled': { kind: 'already_linked' },
        'somebody else': { kind: 'refused', code: 'identity_in_use' },
        'somebody else, disabled': { kind: 'refused', code: 'identity_in_use' },
      }
      const expected: ConnectDecision =
        expectedSubject === 'another subject'
          ? { kind: 'refused', code: 'wrong_mailbox' }
          : wants === 'mail'
            ? { kind: 'connect_mailbox' }
            : identityDecision[holder]
      expect(decision).toEqual(expected)
    },
  )

  it('a mailbox never becomes a way to sign in, whoever has the identity', () => {
    for (const holder of keys(connectHolders)) {
      const decision = connecting({ identityHolder: connectHolders[holder], expectedSubject: null, wants: 'mail' })
      expect(decision).toEqual({ kind: 'connect_mailbox' })
    }
  })
})
