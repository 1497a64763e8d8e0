import type * as acme from 'acme-client'
import { createOutbound } from '../grants/outbound.ts'
import type { AcmeConfig } from './acme-config.ts'
import { createTransport } from './acme-http.ts'
import { AcmeProblem } from './acme-problem.ts'
import type { Challenge } from './acme-state.ts'
import { type Bundle, namesCovered, splitBundle } from './issued-certificate.ts'
import type { AcmeStorage } from './storage.ts'

type Acme = (typeof acme)['default']

/** Waits for the CA double from `min` to `max`, ms: about two minutes in all. */
const polls = { backoffAttempts: 15, backoffMin: 250, backoffMax: 15_000 }

/**
 * Orders a certificate with a new key (RFC 8555 §7.4).
 *
 * @param challenge resolves when every worker of the host answers these challenges.
 * @throws {AcmeProblem} when the CA refuses it, cannot be reached, or does not find the names here.
 */
export async function orderCertificate(
  config: AcmeConfig,
  storage: AcmeStorage,
  challenge: (challenges: readonly Challenge[]) => Promise<void>,
): Promise<Bundle> {
  const { default: acme } = await import('acme-client')
  acme.axios.defaults.adapter = createTransport(createOutbound(), config.ca) as never
  const client = await clientOf(acme, config, storage)
  const order = await client.createOrder({ identifiers: config.names.map((value) => ({ type: 'dns', value })) })
  await prove(acme, client, await client.getAuthorizations(order), config, challenge)
  const [key, request] = await acme.crypto.createCsr(
    { altNames: [...config.names] },
    await acme.crypto.createPrivateEcdsaKey(),
  )
  const cert = await client.getCertificate(await client.finalizeOrder(order, request))
  const bundle = splitBundle(`${key}\n${cert}`)
  if (namesCovered(bundle.cert, config.names) < config.names.length)
    throw new AcmeProblem('the CA issued a certificate for other names than those that were ordered')
  return bundle
}

/** A client of the account that the storage has, or of a new one. */
async function clientOf(acme: Acme, { directory, email }: AcmeConfig, storage: AcmeStorage): Promise<acme.Client> {
  const stored = storage.accountKey()
  const accountKey = stored ?? String(await acme.crypto.createPrivateEcdsaKey())
  // First of all: without its key a registered account is lost, and so is what the CA would count for it.
  if (stored === undefined) await storage.saveAccountKey(accountKey)
  const client = new acme.Client({ directoryUrl: directory, accountKey, ...polls })
  // For a key that it knows, the CA answers with the account (RFC 8555 §7.3.1).
  await client.createAccount({ termsOfServiceAgreed: true, contact: [`mailto:${email}`] })
  return client
}

/** Shows the CA that every name leads to this gateway. */
async function prove(
  acme: Acme,
  client: acme.Client,
  authorizations: readonly acme.Authorization[],
  { challenge: type }: AcmeConfig,
  publish: (challenges: readonly Challenge[]) => Promise<void>,
): Promise<void> {
  // The CA remembers for some time what it has validated.
  const open = authorizations.filter(({ status }) => status !== 'valid')
  const asked = open.map((authorization) => {
    const challenge = authorization.challenges.find((one) => one.type === type)
    if (challenge !== undefined) return { authorization, challenge }
    const offered = authorization.challenges.map((one) => one.type).join(', ')
    throw new AcmeProblem(`${authorization.identifier.value}: the CA does not offer ${type}, but ${offered}`)
  })
  const key = await acme.crypto.createPrivateEcdsaKey()
  const answers = asked.map(async ({ authorization, challenge }): Promise<Challenge> => {
    const answer = await client.getChallengeKeyAuthorization(challenge)
    if (type === 'http-01') return { type, token: challenge.token, answer }
    const [, cert] = await acme.crypto.createAlpnCertificate(authorization, answer, key)
    return { type, name: authorization.identifier.value, cert: String(cert), key: String(key) }
  })
  await publish(await Promise.all(answers))
  for (const { challenge } of asked) await client.completeChallenge(challenge)
  await Promise.all(asked.map(({ authorization, challenge }) => validated(client, authorization, challenge)))
}

async function validated(
  client: acme.Client,
  { identifier }: acme.Authorization,
  challenge: acme.Authorization['challenges'][number],
): Promise<void> {
  try {
    await client.waitForValidStatus(challenge)
  } catch (error) {
    throw new AcmeProblem(`${identifier.value}: ${(error as Error).message}`, undefined, { cause: error })
  }
}
