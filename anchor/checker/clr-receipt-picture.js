// clr-receipt-picture.js shows in a page what clr-receipt-check.js found: the verdict, and each
// step from the file to the block as a picture with its text beside it. It takes the colours --ok,
// --no, --warn, --unsure and --edge of the page.
// SPDX-License-Identifier: Apache-2.0
(function (root) {
  'use strict'

  // ---- what the steps are

  const LEAF_TYPES = { 1: 'a record', 2: 'a status list', 4: 'a DID document', 6: 'a proof that a learner holds a DID' }
  const many = (n, one) => `${n} ${one}${n === 1 ? '' : 's'}`

  // What an answer is about, by its kind.
  const NOUNS = { ownership: 'statement', copy: 'copy' }
  const noun = f => NOUNS[f.kind] || 'record'

  // stepsOf tells the way from the file to the block. A step is { id, title, state, says, from,
  // by, to }: what goes in, through which function, and what comes out. It may have another word
  // for its state than the usual one, and the command that checks it elsewhere. Nothing comes
  // behind a step that failed.
  function stepsOf(f) {
    const all = [], r = f.receipt
    if (!r) return all
    const add = (id, title, state, says, from, by, to, more) => {
      if (!all.some(s => s.state === 'failed')) all.push({ id, title, state, says, from, by, to, ...more })
    }
    if (f.kind === 'ownership') ownershipSteps(f, r, add)
    else if (f.kind === 'copy') copySteps(f, r, add)
    else {
      digestStep(f, r.digest, 'receipt', add)
      if (f.log !== undefined) logStep(f, r, true, 'the record names', 'log in the record', '', add)
    }
    leafSteps(f, r, add)
    if (r.count === '0') {
      add('batch', 'In no batch yet', 'warning', `The receipt says that its ${noun(f)} waits for the next batch: ` +
        'there is no root, no block and no time. Fetch the receipt again later.',
      [{ name: 'leaf', value: f.leaf, own: true }], 'waits', { name: 'root', value: 'none yet' })
      return all
    }
    treeSteps(f, r, add)
    logSteps(f, r, add)
    blockSteps(f, r, add)
    return all
  }

  // hashed is the state of a step of hashing: where it leads to is seen at the root.
  const hashed = f => f.receipt.count !== '0' && f.code !== 'not_under_root' && !wrongType(f) ? 'ok' : 'unsure'

  // wrongType says whether the receipt is of something else than what stands beside it.
  const wrongType = f => f.code === 'receipt_of_other' && f.receipt.digest === (f.kind === undefined ? f.recordDigest : f.contentDigest)

  // digestStep compares the record's digest with the one that stands somewhere.
  function digestStep(f, digest, where, add) {
    const given = f.recordDigest !== undefined, equal = f.recordDigest === digest
    let says = `No record was compared with the ${where}: the digest is only what the ${where} says.`
    if (equal) says = `The record has the digest that stands in the ${where}.`
    else if (given) says = `This is not the ${where}’s record, or it was changed: ` + (f.recordDigest ? `its digest is ${f.recordDigest}.` : 'it can’t be read.')
    add('record', 'The record’s digest', !given ? 'unsure' : equal ? 'ok' : 'failed', says,
      [{ name: given ? 'the record' : 'no record', value: given ? 'its signed form' : 'not given', own: true }], 'SHA-256',
      { name: `digest in the ${where}`, value: digest })
  }

  function ownershipSteps(f, r, add) {
    const s = f.statement, given = f.recordDigest !== undefined, equal = f.subject === s.did
    digestStep(f, s.record, 'statement', add)
    let says = 'Whom the record is about, only the record tells.'
    if (given) says = equal ? 'The record is about whoever holds the identifier in the statement.' : `The record names ${f.subject || 'no identifier'} as whom it is about.`
    add('holder', 'Whom the record is about', !given ? 'unsure' : equal ? 'ok' : 'failed', says,
      [{ name: 'in the record', value: given ? f.subject || 'no identifier' : 'not given' }, { name: 'in the statement', value: s.did, own: true }],
      !given ? 'not compared' : equal ? 'equal' : 'not equal')
    contentStep(f, r, 'statement', `It says that control of the identifier was proven on ${s.proven} (${s.method}). That is the publisher’s word; it keeps what was signed.`, add)
    logStep(f, r, given, 'the record names', 'log in the record', 'Which log counts, only the record tells: anybody may write into a log of their own.', add)
  }

  function copySteps(f, r, add) {
    contentStep(f, r, 'copy', 'It is what the issuer published, to the letter, if the steps below are right.', add)
    logStep(f, r, f.logGiven, 'you named', 'log that you named', 'Whose log this is, only the issuer tells: anybody may write into a log of their own.', add)
  }

  // contentStep is for what stands in the file itself, beside its receipt.
  function contentStep(f, r, what, says, add) {
    const equal = f.contentDigest === r.digest && r.canonicalization === 'jcs'
    const wrong = f.contentDigest === r.digest ? 'The receipt is of bytes as they are, and not of the canonical form.'
      : `The receipt isn’t of this ${what}, or the ${what} was changed: its digest is ${f.contentDigest}.`
    add('content', `The ${what}’s digest`, equal ? 'ok' : 'failed', equal ? says : wrong, [{ name: `the ${what}`, value: 'its canonical form', own: true }], 'SHA-256',
      { name: 'digest in the receipt', value: r.digest })
  }

  function logStep(f, r, known, how, name, unknown, add) {
    const wrong = f.code === 'other_log'
    let says = known ? `The receipt is for the log that ${how}.` : unknown
    if (wrong) says = f.log ? `The receipt is for another log than ${f.log}, which ${how}.` : `There is no log that ${how}.`
    add('log', 'Whose log', wrong ? 'failed' : known ? 'ok' : 'unsure', says,
      [{ name: known ? name : 'log that counts', value: known ? (f.log || 'none').replace(/^.*:/, '').toLowerCase() : 'not known' }, { name: 'log in the receipt', value: r.log, own: true }],
      wrong ? 'not equal' : known ? 'equal' : 'not compared')
  }

  function leafSteps(f, r, add) {
    add('salt', 'Salted', hashed(f), 'The receipt’s salt hides the digest: from the leaf, nobody can tell whose it is.',
      [{ name: 'salt, as the key', value: r.salt }, { name: 'digest', value: r.digest, own: true }], 'HMAC-SHA-256',
      { name: 'salted digest', value: f.salted })
    const kind = `${r.leafType}: ${LEAF_TYPES[r.leafType] || 'another thing'}`
    add('leaf', 'The leaf', wrongType(f) ? 'failed' : hashed(f), wrongType(f) ? `The receipt is of something else (type ${kind}).`
      : `Its type goes into it (${kind}), so that it is taken for nothing else.`,
    [{ name: '0x00, name', value: 'clr-anchor/1' }, { name: 'type', value: String(r.leafType) }, { name: 'salted digest', value: f.salted, own: true }], 'SHA-256',
    { name: 'leaf', value: f.leaf })
  }

  function treeSteps(f, r, add) {
    let at = { name: 'leaf', value: f.leaf, own: true }
    f.path.forEach((s, i) => {
      const next = { name: 'neighbour', value: s.neighbour }
      add('level', `Level ${i + 1} of the tree`, hashed(f), `The neighbour from the receipt stands on the ${s.left ? 'left' : 'right'}.`,
        s.left ? [next, at] : [at, next], 'SHA-256 with 0x01', { name: 'node', value: s.hash })
      at = { name: 'node', value: s.hash, own: true }
    })
    const wrong = f.code === 'not_under_root'
    add('root', 'The root', wrong ? 'failed' : 'ok', wrong
      ? `The receipt doesn’t lead to its root: ${f.why}. The digest, the salt, the type, the place, the number of leaves, a neighbour or the root was changed.`
      : `Leaf ${r.index} (counted from 0) of ${r.count} leads to the root. That is the root in the receipt.`,
    [{ ...at, name: 'found' }, { name: 'root in the receipt', value: r.root }], wrong ? 'not equal' : 'equal')
  }

  function logSteps(f, r, add) {
    const place = e => `place ${e.seq}, after ${e.firstLeaf} leaves, with ${e.count} leaves`
    const e = f.entry || (r.block ? r : null)
    let state = 'unsure', says = e && `Not looked at. The receipt says: ${place(r)}.`
    const fails = why => { state = 'failed'; says = why }
    if (f.code === 'other_registry') fails(`The receipt is for the registry ${r.chain.registry}, which isn’t the one that counts here.`)
    else if (f.code === 'anchor_taken_back') fails(`The publisher took this anchor back on ${f.why}.`)
    else if (f.code === 'not_in_log' && (!f.proof || f.proof.storageRoot)) fails(`The log has no such root${f.why ? ': ' + f.why : ''}.`)
    else if (f.code === 'receipt_contradicted' && !f.blockHash) fails(`The log has this root in another place (${place(f.entry)}) than the receipt says (${place(r)}).`)
    else if (f.entry) [state, says] = ['ok', `The log has this root, ${f.proof ? 'by the receipt’s state proof' : 'as the chain’s node says'}: ${place(f.entry)}.`]
    else if (!e) [state, says] = ['warning', 'The receipt says that its batch is on the way to the chain.']
    const mine = { name: 'root', value: r.root, own: true }
    add('entry', 'The entry in the log', state, says, [{ name: 'log', value: r.log }, mine], f.proof ? 'Keccak-256, 2 times' : 'asked of the registry',
      { name: 'entry', value: e ? `seq ${e.seq} · first ${e.firstLeaf} · ${e.count}` : 'none yet' })
    if (!e) return
    add('head', 'The hash chain of the log', 'unsure', 'Each root goes into the log’s head, on top of the head before it, so that none can be left out or moved later. ' +
      'A receipt is of one place in the log and can’t show that: whoever wants to see it has the whole log checked, which this command does.',
    [{ name: 'head before', value: 'elsewhere' }, mine, { name: 'place, leaves', value: 'of the entry' }], 'SHA-256 with 0x02',
    { name: 'head after it', value: 'in the registry' }, { word: 'Not in a receipt', command: `clrnode audit --log eip155:${r.chain.id}:${r.log}` })
  }

  function blockSteps(f, r, add) {
    if (!f.entry && !r.block) return
    let below = { name: 'number', value: (f.entry || {}).block || r.block.number, own: true }
    if (f.proof) {
      const [storage, account] = f.proof.nodes, wrong = `The state proof isn’t sound: ${f.why}.`
      const part = (name, n) => ({ name, value: many(n, 'node') })
      add('storage', 'The registry’s storage', f.proof.storageRoot ? 'ok' : 'unsure', 'The entry stands in the storage of the registry.',
        [{ name: 'entry', value: `seq ${r.seq}`, own: true }, part('from the proof', storage)], `Keccak-256, ${many(storage, 'time')}`,
        { name: 'storage root', value: f.proof.storageRoot || 'not proven' })
      add('account', 'The state of the chain', f.proof.storageRoot ? 'ok' : f.proof.stateRoot ? 'failed' : 'unsure', f.proof.storageRoot ? `The registry ${r.chain.registry} has this storage.` : wrong,
        [{ name: 'storage root', value: f.proof.storageRoot || 'not proven', own: true }, part('from the proof', account)], `Keccak-256, ${many(account, 'time')}`,
        { name: 'state root', value: f.proof.stateRoot || 'not proven' })
      if (!f.proof.stateRoot) add('block', 'The block', 'failed', wrong, [{ name: 'header', value: 'in the proof' }], 'Keccak-256', { name: 'block hash', value: r.block.hash })
      below = { name: 'state root', value: f.proof.stateRoot, own: true }
    }
    const hash = f.blockHash || r.block.hash
    const [state, says] = blockSaid(f, r)
    add('block', 'The block', state, says, f.proof ? [below, { name: 'rest of the header', value: 'in the proof' }] : [below], f.proof ? 'Keccak-256' : 'asked of the chain',
      { name: 'block hash', value: hash })
    let final = ['ok', 'By the chain’s rule, nothing replaces this block any more.']
    if (!f.blockHash) final = ['unsure', 'Not looked at: that takes a node of the chain.']
    else if (f.proof) final = ['unsure', `That the block is part of the chain, and final, is by ${f.byNode ? 'this node’s word' : 'the word of who gave its hash'}.`]
    else if (f.code === 'anchor_not_final') final = ['warning', 'The block is young and may still be replaced.']
    add('final', 'Finality', ...final, [{ name: 'block hash', value: hash, own: true }], f.proof ? 'by somebody’s word' : f.rule || 'not asked',
      { name: 'final on', value: f.local || r.chain.local ? 'a local chain' : `chain ${r.chain.id}` })
  }

  function blockSaid(f, r) {
    if (f.late) return ['failed', `It is block ${f.block}, of ${f.time}, and the statement says that control was proven after that, on ${f.statement.proven}.`]
    if (!f.blockHash) return ['unsure', `Not looked at. The receipt says: block ${r.block.number}, of ${new Date(1000 * r.block.time).toISOString().slice(0, 19).replace('T', ' ')} UTC.`]
    if (f.code === 'receipt_contradicted') return ['failed', `The receipt has a wrong number or time for it: it is block ${f.block}, of ${f.time}.`]
    if (f.code === 'anchor_moved') return ['warning', `It is block ${f.block} now, of ${f.time}; the receipt names another one. The chain was reorganized since.`]
    if (f.kind === 'copy') return ['ok', `Block ${f.block}, of ${f.time}: as of then, the copy says what the issuer published. What was changed since, it can’t tell.`]
    return ['ok', `Block ${f.block}, of ${f.time}: ${f.kind || f.recordDigest ? `the ${noun(f)}` : 'what has this digest'} existed no later than then.`]
  }

  // ---- how they are drawn

  const WORDS = { ok: 'Right', failed: 'Wrong', unsure: 'Not checked', warning: 'Not yet' }
  const COLOURS = { ok: 'var(--ok, currentColor)', failed: 'var(--no, currentColor)', unsure: 'var(--unsure, currentColor)', warning: 'var(--warn, currentColor)' }
  const SHAPES = { // as wide and high as 24, each told by its shape
    ok: 'M12 1.5a10.5 10.5 0 1 0 .01 0zM7 12.4l3.5 3.6L17 8.6',
    failed: 'M7.8 1.6h8.4l6.2 6.2v8.4l-6.2 6.2H7.8l-6.2-6.2V7.8zM8 8l8 8m0-8-8 8',
    unsure: 'M3 2h18v20H3zM8.8 9.2a3.2 3.2 0 1 1 4.6 2.9c-1 .5-1.4 1-1.4 2.1m0 3v.6',
    warning: 'M12 2 23 21.5H1zM12 9v5.4m0 3v.6',
  }
  const short = v => /^0x[0-9a-fA-F]{17,}$/.test(v) ? v.slice(0, 6) + '…' + v.slice(-4) : /^\S{20,}$/.test(v) ? v.slice(0, 11) + '…' + v.slice(-6) : v
  const element = (name, content, kind) => {
    const e = document.createElement(name)
    if (content) e.textContent = content
    if (kind) e.className = kind
    return e
  }
  const shape = (name, attributes, content) => {
    const e = document.createElementNS('http://www.w3.org/2000/svg', name)
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v)
    if (content) e.textContent = content
    return e
  }
  const drawing = (kind, width, height) => shape('svg', { viewBox: `0 0 ${width} ${height}`, class: kind, 'aria-hidden': 'true', focusable: 'false' })
  const mark = (state, attributes) => shape('path', { d: SHAPES[state], fill: 'none', stroke: COLOURS[state], 'stroke-width': 2.2,
    'stroke-linecap': 'round', 'stroke-linejoin': 'round', ...attributes })
  const words = (x, y, content, attributes) => shape('text', { x, y, 'text-anchor': 'middle', fill: 'currentColor', ...attributes }, content)

  function icon(state) {
    const svg = drawing('icon', 24, 24)
    svg.append(mark(state, {}))
    return svg
  }

  // draw is the picture of a step: what goes in stands above the function, what comes out below
  // it. What was found so far has a thick frame, and a line leads to it from the step before.
  function draw(step, first, last) {
    const height = step.to ? 178 : 120, svg = drawing('picture', 320, height)
    const line = d => svg.append(shape('path', { d, fill: 'none', stroke: 'var(--edge, currentColor)', 'stroke-width': 1.6 }))
    const box = (x, y, width, part, thick, colour) => svg.append(
      shape('rect', { x, y, width, height: 42, rx: 5, fill: 'none', stroke: colour, 'stroke-width': thick ? 2.6 : 1 }),
      words(x + width / 2, y + 16, part.name, { 'font-size': 12 }),
      words(x + width / 2, y + 33, short(part.value), { 'font-size': 12.8, 'font-family': 'ui-monospace, Menlo, Consolas, monospace' }))
    const n = step.from.length, width = n === 1 ? 172 : (314 - 8 * (n - 1)) / n
    step.from.forEach((part, i) => {
      const x = n === 1 ? 74 : 3 + i * (width + 8), middle = x + width / 2
      if (part.own && !first) line(`M160 0C160 12 ${middle} 2 ${middle} 14`)
      line(`M${middle} 56C${middle} 70 160 62 160 78`)
      box(x, 14, width, part, part.own, 'currentColor')
    })
    const pill = 28 + step.by.length * 7.6
    svg.append(
      shape('rect', { x: 160 - pill / 2, y: 78, width: pill, height: 26, rx: 13, fill: 'none', stroke: COLOURS[step.state], 'stroke-width': 1.8,
        'stroke-dasharray': step.state === 'unsure' ? '4 3' : 'none' }),
      words(160, 95.5, step.by, { 'font-size': 12.5, 'font-weight': 600 }),
      mark(step.state, { transform: `translate(${166 + pill / 2} 81) scale(.83)` }))
    if (step.to) {
      line('M160 104V122')
      box(60, 122, 200, step.to, true, COLOURS[step.state])
    }
    if (!last) line(`M160 ${step.to ? 164 : 104}V${height}`)
    return svg
  }

  // tell is the same step as text, with every hash in full.
  function tell(step, heading) {
    const all = element('div', '', 'told'), word = element('p', '', `says ${step.state}`), values = element('dl')
    word.append(icon(step.state), element('span', step.word || WORDS[step.state], 'word'))
    all.append(element(heading, step.title), word, element('p', step.says))
    for (const part of step.to ? [...step.from, step.to] : step.from) {
      if (short(part.value) === part.value) continue // it stands in the picture
      const full = element('dd')
      full.append(element('code', part.value))
      values.append(element('dt', part === step.to && /256/.test(step.by) ? `${step.by} gives the ${part.name}` : part.name), full)
    }
    if (step.command) {
      const full = element('dd')
      full.append(element('code', step.command))
      values.append(element('dt', 'To check it for the whole log'), full)
    }
    if (values.children.length) all.append(values)
    return all
  }

  // verdictOf is the state of the whole, and the word for it.
  function verdictOf(f) {
    if (f.outcome === 'failed') return ['failed', 'NOT SOUND']
    if (f.outcome === 'ok') return ['ok', f.byNode ? 'Sound, if this node tells the truth' : 'Sound']
    if (f.code === 'anchor_moved') return ['warning', 'Sound']
    return [f.outcome === 'warning' ? 'warning' : 'unsure', 'Could not check']
  }

  // partsOf are the answers of which each has a way of its own: those of copies, or the one.
  const partsOf = f => f.parts || [f]
  const titleOf = f => f.title ? `${f.title} ${f.id}` : f.kind ? 'Ownership' : 'Receipt'

  // cardOf is the verdict on one file, of which there may be several.
  function cardOf({ file, answer: f }, several) {
    const [state, word] = verdictOf(f), card = element('div', '', `verdict card ${state}`), says = element('p')
    if (several) says.append(`${file.name}: `)
    says.append(element('strong', `${word}: `), f.sentence)
    card.append(icon(state), says)
    return card
  }

  // show writes the verdict on each file and the list of steps of each part, and tells whether
  // there are any. The steps of several files are folded, but for those that failed.
  function show(found, verdict, list) {
    verdict.replaceChildren(...found.map(one => cardOf(one, found.length > 1)))
    const parts = found.flatMap(({ answer }) => partsOf(answer)).filter(f => stepsOf(f).length)
    list.replaceChildren(...parts.flatMap(f => {
      const all = element('ol', '', 'steps'), steps = stepsOf(f)
      all.append(...steps.map((step, i) => {
        const li = element('li', '', step.state)
        li.dataset.step = step.id
        li.append(draw(step, i === 0, i === steps.length - 1), tell(step, parts.length > 1 ? 'h4' : 'h3'))
        return li
      }))
      if (parts.length === 1) return [all]
      const title = element('h3', titleOf(f), 'part-of')
      if (found.length === 1) return [title, all]
      const part = element('details'), summary = element('summary')
      summary.append(title)
      part.open = f.outcome === 'failed'
      part.append(summary, all)
      return [part]
    }))
    return parts.length > 0
  }

  root.clrReceiptPicture = { cardOf, show, partsOf, titleOf, noun }
})(self)
