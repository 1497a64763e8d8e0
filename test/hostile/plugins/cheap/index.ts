import { definePlugin } from 'postern/sdk'

/** Small offences that a gateway has to bear by the thousand, by path; `/loud/…` are those that fail a call. */
export default definePlugin({
  name: 'cheap',
  reads: ['path'],
  writes: ['header:x-declared'],
  needs: ['digest'],
  async onRequest({ request, digest }) {
    switch (request.path.slice('/bad/cheap'.length)) {
      case '/loud/0':
        throw new Error(`thrown: ${'x'.repeat(1_000)}`)
      case '/loud/1':
        return request.setHeader('x-declared', 'a\r\nb')
      case '/quiet/0':
        return void Promise.reject(new Error(`left alone: ${'x'.repeat(1_000)}`))
      case '/quiet/1':
        // Asked for, and not waited for.
        for (let i = 0; i < 20; i++) void digest.sha256(request.path)
        return
      case '/quiet/2':
        request.state = 's'.repeat(4_096)
        await digest.sha256('a')
        return leaveOpen('x'.repeat(10_000) + request.path)
      default:
        for (let i = 0; i < 500; i++) request.setHeader('x-declared', `${i}`)
    }
  },
})

/** A promise that nothing ever settles, and that holds on to some memory. */
function leaveOpen(held: string): void {
  void new Promise<void>(() => {}).then(() => held)
}
