import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Problems } from '../../core/config/problems.ts'
import { Secrets } from '../../core/config/secrets.ts'
import { Log } from '../../core/telemetry/log.ts'

/** As written in the configuration in place of a value. */
const reference = (name = 'KEY') => '$'.concat(`{env:${name}}`)
const REFERENCE = reference()

function of(...values: string[]): Secrets {
  return new Secrets(
    values.map((value, index) => ({ value, reference: reference(index === 0 ? 'KEY' : `KEY${index}`) })),
  )
}

describe('a secret is replaced', () => {
  test('in every letter case and as JSON writes it', () => {
    expect(of('Open "Sesame"').redact('x open "sesame" y OPEN \\"SESAME\\"')).toBe(`x ${REFERENCE} y ${REFERENCE}`)
  })

  test.each(['ısecret', 'ſecret', 'İsecret', 'ßecret', 'Kelvin', 'µsecret', 'ÿsecret'])(
    '%s, whose first letter changes its length or block',
    (secret) => {
      expect(of(secret).redact(`a ${secret} b`)).toBe(`a ${REFERENCE} b`)
    },
  )

  const awkward = [
    'say "open" now',
    'back\\slash',
    'C:\\new\\table',
    'a line\nand\tanother\r\n',
    'bell \u0007 and escape \u001b',
    'Grüße, 世界 🚀 end',
    '"quoted"',
    '\\\\\\\\',
    'ends in \\',
    '{"user":"u\\n","password":"p\\"w"}',
  ]
  test.each(awkward)('%j, raw and quoted by JSON once, twice and three times', (secret) => {
    const secrets = of(secret)
    let text = secret
    for (let level = 0; level < 4; level++) {
      const safe = secrets.redact(`the key ${text} is wrong`)
      expect(safe, `level ${level}`).toMatch(/^the key ["\\]*\$\{env:KEY\}["\\]* is wrong$/)
      text = JSON.stringify(text)
    }
  })

  test.each(awkward)('%j, with each character that is not ASCII, or a control, as \\u escape', (secret) => {
    const escaped = (text: string): string =>
      text.replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
    for (const text of [secret, JSON.stringify(secret)]) {
      expect(of(secret).redact(`key ${escaped(text)} end`)).toMatch(/^key ["\\]*\$\{env:KEY\}["\\]* end$/)
    }
  })

  test('of any text, in any text, however often it is quoted', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 })
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 4 }),
        text,
        text,
        fc.nat(3),
        (secret, before, after, times) => {
          fc.pre(!REFERENCE.toLowerCase().includes(secret.toLowerCase()))
          let quoted = secret
          for (let level = 0; level < times; level++) quoted = JSON.stringify(quoted).slice(1, -1)
          expect(of(secret).redact(`${before}|${quoted}|${after}`)).not.toContain(`|${quoted}|`)
        },
      ),
    )
  })

  test('after a backslash of the text around it', () => {
    expect(of('nabcdef').redact('path\\nabcdef')).toBe(`path\\${REFERENCE}`)
  })

  test('the longer one first when one contains the other, whatever their order', () => {
    for (const secrets of [of('sesame', 'sesame-street'), of('sesame-street', 'sesame')]) {
      expect(secrets.redact('at sesame-street')).toMatch(/^at \$\{env:KEY1?\}$/)
    }
    expect(of('street-7', 'sesame-street').redact('at sesame-street-7!')).toBe(`at ${reference('KEY1')}!`)
  })

  test('when a text was truncated in the middle of it', () => {
    const secret = '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n'
    const secrets = of(secret)
    const text = `no such key: ${secret}`
    for (const end of [25, 40, 41, 60]) {
      expect(secrets.redact(text.slice(0, end))).toBe(`no such key: ${REFERENCE}`)
      expect(secrets.redact(`${text.slice(0, end)}…`)).toBe(`no such key: ${REFERENCE}…`)
    }
    expect(secrets.redact(JSON.stringify(text.slice(0, 45)))).toBe(`"no such key: ${REFERENCE}"`)
    // In the middle of an escape.
    expect(secrets.redact(`no such key: ${secret.slice(0, 27)}\\u00`)).toBe(`no such key: ${REFERENCE}`)
    expect(secrets.redact('-----BEGIN CERTIFICATE')).toBe('-----BEGIN CERTIFICATE')
  })

  test('of a length that no regular expression takes', () => {
    const secret = Array.from({ length: 100_000 }, (_, i) => `line ${i}`).join('\n')
    expect(of(secret).redact(`key ${secret} end`)).toBe(`key ${REFERENCE} end`)
  })
})

describe('a secret of fewer than four characters is replaced', () => {
  test('as a whole text or a whole quoted text only', () => {
    const secrets = of('a')
    expect(secrets.redact('a')).toBe(REFERENCE)
    expect(secrets.redact('A')).toBe(REFERENCE)
    expect(secrets.redact('a "a" an "an" a, "\\"a\\""')).toBe(`a "${REFERENCE}" an "an" a, "\\"${REFERENCE}\\""`)
    expect(of('"').redact('the key "\\"" is wrong')).toBe(`the key "${REFERENCE}" is wrong`)
    expect(of('\\x').redact('the key "\\\\x" is wrong: x')).toBe(`the key "${REFERENCE}" is wrong: x`)
  })
})

test('a reference that is in the text already stays, although its name is the value of a secret', () => {
  const secrets = new Secrets([{ value: 'PASSWORD', reference: reference('PASSWORD') }])
  const once = secrets.redact('the key PASSWORD is wrong')
  expect(once).toBe(`the key ${reference('PASSWORD')} is wrong`)
  expect(secrets.redact(once)).toBe(once)
})

test('what is listed makes the same redactor in another process', () => {
  const there = new Secrets(structuredClone(of('sesame', 'a').list))
  expect(there.redact('sesame "a"')).toBe(`${REFERENCE} "${reference('KEY1')}"`)
})

test('lists and objects are redacted at every depth, and keys where they are not our own', () => {
  const secrets = of('sesame')
  const data = { problems: ['no sesame', { deep: ['SESAME'] }], sesame: 'x', n: 1, nothing: undefined, no: null }
  expect(secrets.redactValues(data)).toEqual({ ...data, problems: [`no ${REFERENCE}`, { deep: [REFERENCE] }] })
  expect(Object.keys(secrets.redactAll(data))).toContain(REFERENCE)
})

test('problems hide a secret that was resolved after they were found', () => {
  const secrets = new Secrets()
  const problems = new Problems(secrets)
  problems.addAt('gateway.json', undefined, 'there is no "sesame"')
  secrets.add('sesame', REFERENCE)
  expect(problems.list).toEqual([{ file: 'gateway.json', path: '', message: `there is no "${REFERENCE}"` }])
})

describe('the log', () => {
  const settings = { level: 'info', access: true } as const

  function logOf(...values: string[]): { log: Log; lines: () => Record<string, unknown>[] } {
    const written: string[] = []
    const log = new Log({ write: (line) => void written.push(line) })
    log.configure(settings, of(...values).list)
    return { log, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) }
  }

  test('prints the reference in place of a secret that JSON quotes, in nested facts too', () => {
    const secret = 'pass"word\\1'
    const { log, lines } = logOf(secret)
    log.error('reload rejected', { problems: [`key ${JSON.stringify(secret)}`, JSON.stringify([`${secret}`])] })
    log.plugin({ level: 'info', plugin: 'p', policy: 'q', message: secret, fields: { [secret]: secret } })
    expect(lines()[0]).toMatchObject({ problems: [`key "${REFERENCE}"`, `["${REFERENCE}"]`] })
    expect(lines()[1]).toMatchObject({ msg: REFERENCE, fields: { [REFERENCE]: REFERENCE } })
  })

  test('is readable although a secret is one character', () => {
    const { log, lines } = logOf('e')
    log.warn('worker died', { cause: 'the end', key: 'e' })
    expect(lines()[0]).toMatchObject({ level: 'warn', msg: 'worker died', cause: 'the end', key: REFERENCE })
  })
})
