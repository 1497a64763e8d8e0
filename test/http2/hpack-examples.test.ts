import { expect, test } from 'vitest'
import { HpackDecoder } from '../../core/http2/hpack-decoder.ts'

/** RFC 7541, appendix C: blocks of one connection, and the lists that they stand for. */
const first = [':method', 'GET', ':scheme', 'http', ':path', '/', ':authority', 'www.example.com']
const second = [...first, 'cache-control', 'no-cache']
const third = [
  [':method', 'GET', ':scheme', 'https', ':path', '/index.html', ':authority', 'www.example.com'],
  ['custom-key', 'custom-value'],
].flat()

const date = (second: number): string[] => ['date', `Mon, 21 Oct 2013 20:13:${second} GMT`]
const found = (status: string): string[] =>
  [[':status', status, 'cache-control', 'private'], date(21), ['location', 'https://www.example.com']].flat()
const complete = [
  [':status', '200', 'cache-control', 'private'],
  date(22),
  ['location', 'https://www.example.com', 'content-encoding', 'gzip'],
  ['set-cookie', 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1'],
].flat()

test.each<[string, number, [block: string, list: string[]][]]>([
  ['C.2.1', 4096, [['400a637573746f6d2d6b65790d637573746f6d2d686561646572', ['custom-key', 'custom-header']]]],
  ['C.2.2', 4096, [['040c2f73616d706c652f70617468', [':path', '/sample/path']]]],
  ['C.2.3', 4096, [['100870617373776f726406736563726574', ['password', 'secret']]]],
  ['C.2.4', 4096, [['82', [':method', 'GET']]]],
  [
    'C.3: requests',
    4096,
    [
      ['828684410f7777772e6578616d706c652e636f6d', first],
      ['828684be58086e6f2d6361636865', second],
      ['828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565', third],
    ],
  ],
  [
    'C.4: requests in Huffman code',
    4096,
    [
      ['828684418cf1e3c2e5f23a6ba0ab90f4ff', first],
      ['828684be5886a8eb10649cbf', second],
      ['828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', third],
    ],
  ],
  [
    'C.5: responses that evict entries',
    256,
    [
      [
        '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
          '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
        found('302'),
      ],
      ['4803333037c1c0bf', [...found('307')]],
      [
        '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a6970' +
          '7738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b207665' +
          '7273696f6e3d31',
        complete,
      ],
    ],
  ],
  [
    'C.6: responses in Huffman code that evict entries',
    256,
    [
      [
        '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
        found('302'),
      ],
      ['4883640effc1c0bf', found('307')],
      [
        '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af' +
          '27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
        complete,
      ],
    ],
  ],
])('RFC 7541 %s', (_section, table, blocks) => {
  const decoder = new HpackDecoder(table)
  for (const [block, list] of blocks) expect(decoder.decode(Buffer.from(block, 'hex'), 10_000)).toEqual(list)
})
