'use strict';
// Shows what /v1/tracer-nodes and /v1/trace-session/all say. All of it is put in as text, never as HTML.
const MOST_ROWS = 100;
const MOST_BYTES = 32 << 20; // of a reply
const element = id => document.getElementById(id);
let token = '';

// What is asked again and again while somebody looks. `at`: when it was last answered well.
const nodes = { path: 'v1/tracer-nodes', every: 5e3, patience: 30e3, take: takeNodes };
const sessions = { path: 'v1/trace-session/all', every: 30e3, patience: 90e3, take: takeSessions };
const version = { path: 'version', every: 600e3, patience: 30e3, take: takeVersion };
const sources = [nodes, sessions, version];

async function read(source) {
  const lost = e => {
    source.status = 0;
    throw Error(e.name == 'TimeoutError' ? `No answer within ${age(source.patience)}.` : 'No answer.');
  };
  const reply = await fetch(source.path, {
    cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(source.patience),
    headers: token ? { Authorization: 'Bearer ' + token } : {},
  }).catch(lost);
  source.status = reply.status;
  source.bytes = Number(reply.headers.get('Content-Length'));
  if (source.bytes > MOST_BYTES) {
    reply.body.cancel();
    throw Error(`The reply has ${count(source.bytes >> 20)} MiB, more than this page reads; use curl.`);
  }
  const body = await reply.json().catch(e => e.name == 'SyntaxError' ? null : lost(e));
  if (!reply.ok)
    throw Error(`${reply.status}: ${words(body && body.detail) || 'no reason given'}.`);
  if (!body || typeof body != 'object')
    throw Error('The reply is no JSON.');
  source.take(body, reply.headers);
}

async function ask(source) {
  clearTimeout(source.timer);
  if (source.busy || document.hidden)
    return;
  source.busy = true;
  const began = performance.now();
  try {
    await read(source);
    source.at = performance.now();
    source.error = '';
    source.failures = 0;
  } catch (e) {
    source.error = e.message;
    source.failures = (source.failures || 0) + 1;
  }
  source.busy = false;
  const now = performance.now();
  const pause = source.failures ? Math.min(60e3, source.every * 2 ** (source.failures - 1))
    : Math.max(source.every, 5 * (now - began), source.bytes / 100);
  source.due = now + pause;
  source.timer = setTimeout(ask, pause, source);
  show();
}

function count(n) { return Number(n).toLocaleString('en'); }

function many(n, one) { return `${count(n)} ${one}${n == 1 ? '' : 's'}`; }

function age(ms) {
  const s = Math.max(0, ms) / 1000;
  return s < 60 ? `${Math.floor(s)} s` : s < 3600 ? `${Math.floor(s / 60)} min`
    : s < 48 * 3600 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}

// What a stranger sent, as a short text.
function words(value) {
  const text = value == null ? '' : typeof value == 'string' ? value : JSON.stringify(value);
  return text.length > 300 ? text.slice(0, 300) + ' …' : text;
}

// By the server's clock.
function serverNow() { return nodes.clock + performance.now() - nodes.at; }

function clock(when) {
  const date = new Date(when);
  const two = n => String(n).padStart(2, '0');
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return date.toDateString() == new Date(serverNow()).toDateString() ? time
    : `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${time}`;
}

function ago(when) { return `${age(serverNow() - Date.parse(when))} ago`; }

function say(to, text, kind) {
  if (to.textContent != text)
    to.textContent = text;
  if (kind !== undefined && to.className != kind)
    to.className = kind;
}

// `parts` are [class, text]; those without a text are left out. What is there already stays.
function fill(to, parts) {
  const wanted = parts.filter(part => part[1]);
  while (to.children.length > wanted.length)
    to.lastElementChild.remove();
  wanted.forEach(([kind, text], i) =>
    say(to.children[i] || to.appendChild(document.createElement('span')), text, kind));
}

// `rows` are lists of cells, and these of parts.
function fillTable(body, rows) {
  body.parentNode.hidden = !rows.length;
  while (body.rows.length > rows.length)
    body.deleteRow(-1);
  rows.forEach((cells, i) => {
    const row = body.rows[i] || body.insertRow();
    cells.forEach((parts, j) => {
      const cell = row.cells[j] || row.appendChild(document.createElement(j ? 'td' : 'th'));
      if (!j)
        cell.scope = 'row';
      fill(cell, parts);
    });
  });
}

// ---- nodes

const STATES = { // in the order in which they are shown
  'circuit open': 'bad', failing: 'bad', 'not ready': 'warn', terminating: 'idle',
  'not asked yet': 'idle', ok: 'good',
};
const ORDER = Object.keys(STATES);
const ADVICE = {
  connect: 'Nothing answers at its address. Does the pod run, and does a NetworkPolicy let tracer-svc in?',
  timeout: 'It takes longer than the deadline. Is its machine overloaded?',
  reset: 'It broke off while it answered. Did it restart?',
  'bad-json': 'Its answer is not one of a tracer-node. What listens on that port?',
  'too-large': 'Its answer is larger than --max-reply allows.',
  tls: 'There is no TLS with it.',
  'node-error': 'An error of its own; its log says more.',
};

function reasonOf(n) { return n.since ? n['last-failure'].reason : n.state; }

function isBad(n) { return STATES[n.state] == 'bad'; }

function stateOf(n) {
  if (n.terminating)
    return 'terminating';
  if (!n.ready)
    return 'not ready';
  if (n.circuit.state == 'open')
    return 'circuit open';
  if (n['failing-since'])
    return 'failing';
  return n['last-outcome'] ? 'ok' : 'not asked yet';
}

function takeNodes(body, headers) {
  nodes.clock = Date.parse(headers.get('Date')) || Date.now();
  for (const n of body.nodes) {
    n.state = stateOf(n);
    n.rank = isBad(n) ? 0 : ORDER.indexOf(n.state);
    n.since = Date.parse(n['failing-since']) || 0;
    n.text = [n.name, n.pod, n.namespace, n.address, n.state,
      n.since ? n['last-failure'].reason : ''].join(' ').toLowerCase();
  }
  // the newest failure first, all others by name, as they came
  body.nodes.sort((a, b) => a.rank - b.rank || (a.rank ? 0 : b.since - a.since));
  nodes.data = body;
}

// A line to paste into a shell, where the names are fit for one.
function command(n, verb, more) {
  const plain = name => /^[a-z0-9][a-z0-9.-]*$/.test(name || '');
  return plain(n.pod) && plain(n.namespace) ? `kubectl -n ${n.namespace} ${verb} ${n.pod}${more}` : '';
}

function whyOf(n) {
  const failure = n['last-failure'];
  if (n.state == 'not ready')
    return [['', 'Kubernetes says that it is not ready, so it is not asked.'],
      ['code', command(n, 'describe pod', '')]];
  if (!failure)
    return [];
  const reason = failure.reason + (failure.status ? ` (${failure.status})` : '');
  if (!isBad(n))
    return [['sub', `last failed ${ago(failure.at)}: ${reason}`]];
  return [
    ['', reason + (failure.detail ? ': ' + words(failure.detail) : '')],
    ['sub', n.state == 'circuit open'
      ? 'It was silent three times in a row, so it is not waited for. A probe every 10 s at most finds out when it is back.'
      : ADVICE[failure.reason]],
    ['code', command(n, 'logs', ' --tail=50')]];
}

function rowOf(n) {
  const last = n['last-outcome'];
  return [
    [['', n.name], ['sub', n.pod], ['sub', n.address]],
    [[STATES[n.state], n.state],
      ['sub', isBad(n) && n.since ? `since ${clock(n.since)}, ${age(serverNow() - n.since)}` : '']],
    last ? [['num', `${count(last.ms)} ms`], ['sub', ago(last.at)]] : [],
    whyOf(n)];
}

function tally(list, key) {
  const counts = new Map();
  for (const one of list)
    counts.set(key(one), (counts.get(key(one)) || 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}

function showNodes() {
  const all = nodes.data.nodes;
  const wanted = element('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.filter(n => wanted.every(word => n.text.includes(word)));
  const hidden = found.length - MOST_ROWS;
  const notes = [];
  if (wanted.length)
    notes.push(`${count(found.length)} of ${many(all.length, 'node')} match.`);
  if (hidden > 0)
    notes.push(`${MOST_ROWS} are shown, those that fail first; ${count(hidden)} more are not, to keep this page light. Filter to find them.`);
  say(element('nodes-note'), notes.join(' '));
  fillTable(element('nodes'), found.slice(0, MOST_ROWS).map(rowOf));
  const parts = tally(all, n => n.state).sort((a, b) => ORDER.indexOf(a[0]) - ORDER.indexOf(b[0]));
  fill(element('count'), [['value', count(all.length)],
    ...parts.map(([state, n]) => [(STATES[state] + ' num').replace(/^good/, 'sub'), `${count(n)} ${state}`])]);
}

function showFacts() {
  const { discovery: d, requests: r, loop } = nodes.data;
  const given = d.source == 'nodes';
  const silent = performance.now() - nodes.at;
  fill(element('discovery'), [
    ['value', given ? '--nodes' : d.source],
    ['sub', given ? 'these nodes were given' : `by ${d.mode}, ` + (d['age-ms'] == null ? 'nothing known yet'
      : `as of ${age(d['age-ms'] + silent)} ago`)],
    ['bad', d['failures-in-row'] ? `failed ${many(d['failures-in-row'], 'time')} in a row` : ''],
    ['warn', d['rejected-endpoints'] ? `${many(d['rejected-endpoints'], 'endpoint')} without a pod of the selector` : '']]);
  say(element('trouble'), d['last-error'] ? `Discovery: ${words(d['last-error'])}.` : '');
  fill(element('requests'), [
    ['value', count(r['in-progress'])],
    [r['in-progress'] < .8 * r.max ? 'sub' : 'warn', `of at most ${count(r.max)}`],
    ['sub', `event loop held up ${count(loop['longest-hold-up-ms'])} ms at most`]]);
}

// ---- sessions

function takeSessions(body, headers) {
  sessions.data = Object.entries(body).map(([key, s]) => ({ key, ...s }))
    .sort((a, b) => Boolean(b.Running) - Boolean(a.Running));
  const asked = /^total=(\d+), ok=(\d+), miss=(\d+)/.exec(headers.get('Tracer-Nodes')) || [0, 0, 0, 0];
  sessions.total = Number(asked[1]);
  sessions.silent = sessions.total - asked[2] - asked[3];
}

function sessionRow(s) {
  const pods = Object.keys(s.Containers || {});
  const lines = list => Array.isArray(list) ? list.length : 0;
  return [
    [['', words(s.Id || s.key)], ['sub', words(s.Node)]],
    [s.Running ? ['good', 'running'] : ['idle', 'stopped']],
    [['num', lines(s.Output) ? many(lines(s.Output), 'line') : ''],
      ['warn', lines(s.Error) ? many(lines(s.Error), 'error') : '']],
    [['', words([s.TraceHook, ...[].concat(s.TraceParams || [])].map(words).join(' '))],
      ['sub', pods.slice(0, 5).map(words).join(', ') + (pods.length > 5 ? ` and ${count(pods.length - 5)} more` : '')],
      ['sub', words(s.Context)]]];
}

function showSessions() {
  const all = sessions.data, now = performance.now(), notes = [];
  if (sessions.busy)
    notes.push('Asking all nodes …');
  if (sessions.error)
    notes.push(`The last look failed: ${sessions.error}` +
      (all ? ` What is shown is ${age(now - sessions.at)} old.` : ' Nothing is known of sessions.'));
  else if (all)
    notes.push(`Seen ${age(now - sessions.at)} ago.`);
  if (all && sessions.silent)
    notes.push(`${count(sessions.silent)} of ${many(sessions.total, 'node')} did not answer: their sessions are not shown.`);
  if (all && all.length > MOST_ROWS)
    notes.push(`${MOST_ROWS} are shown, running ones first; ${count(all.length - MOST_ROWS)} more are not, to keep this page light.`);
  if (sessions.due && !sessions.busy)
    notes.push(`All nodes are asked again in ${age(sessions.due - now)}.`);
  say(element('sessions-note'), notes.join(' '));
  fillTable(element('sessions'), (all || []).slice(0, MOST_ROWS).map(sessionRow));
  fill(element('traces'), [
    ['value', all ? count(all.length) : '?'],
    ['sub', all ? `${count(all.filter(s => s.Running).length)} running` : ''],
    ['warn', all && sessions.silent ? `without ${many(sessions.silent, 'node')}` : sessions.error ? 'not known now' : '']]);
}

function takeVersion(body) { say(element('version'), words(body.version)); }

// ---- all of it

// [class, headline, advice]
function verdict() {
  if (nodes.error && !nodes.status)
    return ['bad', 'tracer-svc can not be reached', nodes.error];
  if (nodes.error)
    return ['bad', nodes.status == 401 ? 'A token is needed' : nodes.status == 403 ? 'Not allowed'
      : 'tracer-svc answers with an error', nodes.error];
  const { nodes: all, discovery: d } = nodes.data;
  const bad = all.filter(isBad), waiting = all.filter(n => n.state == 'not ready');
  const asked = all.filter(n => n['last-outcome']).length;
  const is = n => n == 1 ? 'is' : 'are';
  if (!d.synced)
    return ['bad', 'Discovery has not succeeded yet', d['last-error'] ? '' : 'The first lists are under way.'];
  if (!all.length)
    return ['bad', 'No tracer-node is known', 'Are there pods with the labels of --pods-selector, behind the Service of --svc-selector?'];
  if (bad.length)
    return ['bad', bad.length == 1 ? `${bad[0].name} fails` : `${count(bad.length)} of ${count(all.length)} nodes fail`,
      (bad.length > 3 ? tally(bad, reasonOf).map(([reason, n]) => `${count(n)} × ${reason}`)
        : bad.map(n => `${n.name}: ${reasonOf(n)}${n.since ? ` since ${clock(n.since)}` : ''}`)).join(', ') +
      '. Replies have what the other nodes say.'];
  if (d['failures-in-row'])
    return ['warn', 'Discovery fails', 'The nodes that were known last are served.'];
  if (waiting.length)
    return ['warn', `${count(waiting.length)} of ${many(all.length, 'node')} ${is(waiting.length)} not ready`, 'The others serve.'];
  if (!asked)
    return ['', `${many(all.length, 'node')} known, none asked yet`, ''];
  return ['good', all.length == 1 ? 'The one node serves' : `All ${count(all.length)} nodes serve`, ''];
}

function show() {
  const known = nodes.data, now = performance.now();
  if (!known && !nodes.error)
    return;
  const [kind, headline, advice] = verdict();
  const old = nodes.error && known ? ` What is below is ${age(now - nodes.at)} old.` : '';
  const again = nodes.error ? (nodes.busy ? ' Trying again …' : ` Trying again in ${age(nodes.due - now)}.`) : '';
  element('verdict').className = kind;
  say(element('headline'), headline);
  say(element('advice'), advice + old + again);
  say(element('age'), known && !nodes.error ? `updated ${age(now - nodes.at)} ago` : '');
  document.title = headline + ' – tracer-svc';
  document.querySelector('dl').className = document.querySelector('section').className = old ? 'old' : '';
  element('entry').hidden = nodes.status != 401 && nodes.status != 403 && sessions.status != 403;
  element('known').hidden = !known;
  if (known) {
    showNodes();
    showFacts();
    showSessions();
  }
}

function askAll() { sources.forEach(ask); }

element('filter').addEventListener('input', show);
element('look').addEventListener('click', () => { ask(sessions); show(); });
element('entry').addEventListener('submit', e => {
  e.preventDefault();
  token = element('token').value.trim();
  askAll();
});
document.addEventListener('visibilitychange', () => {
  for (const source of sources) {
    clearTimeout(source.timer);
    if (!document.hidden)
      source.timer = setTimeout(ask, Math.max(0, source.due - performance.now()) || 0, source);
  }
});
setInterval(() => { if (!document.hidden) show(); }, 1000);
askAll();
