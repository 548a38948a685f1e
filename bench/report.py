#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes tables, RESULTS.md and its drawing of what wire.py measured: report.py FILE.json"""
import html
import json
import math
import os
import statistics
import sys

COLOURS = {'limit': '#8c8c8c', 'panicd': '#c8102e', 'peer': '#3a6ea5'}
HEADS = ('system', 'MB/s', 'least', 'most', 'of limit', 'server', 'sender', 'server', 'sender',
         'others', '')
HEADS2 = ('', 'median', '', '', '', 'CPU s/GiB', 'CPU s/GiB', 'MiB', 'MiB', 'CPUs', '')

IN_USE = 'missed: in use meanwhile'
STOPPED = 'It was stopped before all was measured.'


def median(rounds, key):
    values = [row[key] for row in rounds if row.get(key) is not None]
    return statistics.median(values) if values else None


def figure(value):
    """Three digits, whatever its size."""
    if value is None:
        return '-'
    if value >= 100:
        return '%.0f' % value
    return '%.*f' % (2 - (value >= 10) if value >= 0.1 else 3, value)


def of_limit(cell, name):
    """Of what was measured in the same rounds; a limit of the same kind if there is one."""
    limit = cell['systems'].get('limit') or cell['systems'].get('echo')
    if not limit or name == 'limit':
        return None
    mine = cell['systems'][name]['rounds']
    return statistics.median(a['mb_s'] / b['mb_s'] for a, b in zip(mine, limit['rounds']))


def remarks(system):
    rounds, words = system['rounds'], []
    cut = sum(row['cut'] for row in rounds)
    if cut:
        words.append('cut off after %.0f s%s' % (
            max(row['seconds'] for row in rounds),
            '' if cut == len(rounds) else ', %d of %d' % (cut, len(rounds))))
    for key, text in (('again', 'sent again: %.0f'), ('lost_percent', 'lost: %.1f %%'),
                      ('relay_cpu', 'relay: %.2f CPU s/GiB')):
        value = median(rounds, key)
        if value:
            words.append(text % value)
    return '; '.join(words)


def rows(cell):
    for name, system in cell['systems'].items():
        rounds = system['rounds']
        rates = [row['mb_s'] for row in rounds]
        share = of_limit(cell, name)
        yield (system['title'], figure(statistics.median(rates)), figure(min(rates)),
               figure(max(rates)), '' if share is None else '%.2f' % share,
               *(figure(median(rounds, key)) for key in
                 ('server_cpu', 'client_cpu', 'server_mib', 'client_mib')),
               '%.1f' % median(rounds, 'others'), remarks(system))


# ---- the goals ----

def find(result, name, group, **conditions):
    """@return the rounds of a system in the first cell that agrees"""
    for cell in result['cells']:
        if cell['group'] == group and all(cell[k] == v for k, v in conditions.items()):
            return cell['systems'].get(name, {}).get('rounds')
    return None


def ratio(mine, theirs, key='mb_s'):
    """Of the medians of two rounds' figures; None: one of them was not measured."""
    a, b = (median(rounds, key) if rounds else None for rounds in (mine, theirs))
    return a / b if a and b else None


def apart(result, what, goal, mine, theirs, key='mb_s'):
    """Two systems, each as (name, group, conditions): a goal of their ratio."""
    rounds = find(result, mine[0], mine[1], **mine[2])
    return what, goal, ratio(rounds, find(result, theirs[0], theirs[1], **theirs[2]), key), rounds


def compared(result):
    """(what, the goal, what was reached or None, the rounds it was reached in) of what there is."""
    for group in ('loopback', 'veth', 'frames', 'disk'):
        for other, goal in (('limit', 0.9), ('socat', 1), ('ssh-gcm', 3), ('atftpd', 5)):
            if group != 'disk' or other == 'limit':
                yield apart(result, 'extension : %s, %s' % (other, group), 'at least %g' % goal,
                            ('extension', group, {}), (other, group, {}))
    for rtt in (1, 20, 100):
        for name in ('extension', 'limit', 'panicd-1406'):
            yield apart(result, '%s, RTT %g ms : no delay' % (name, rtt),
                        'at least 0.9' if name == 'extension' else 'beside it',
                        (name, 'rtt', {'rtt': rtt}), (name, 'rtt', {'rtt': 0}))
    for loss, goal in ((0.1, 0.9), (1, 0.8), (5, 0.5)):
        yield apart(result, 'extension, %g %% lost : none' % loss, 'at least %g' % goal,
                    ('extension', 'loss', {'loss': loss}), ('extension', 'loss', {'loss': 0}))
    yield from compared_apple(result)
    for cell in result['cells']:
        found = cell['systems'].get('extension-auto')
        if cell['group'] == 'wire' and found:
            yield ('extension, --compress auto : the wire of 1 Gbit/s, %s' % cell['data'],
                   'at least 3', median(found['rounds'], 'mb_s') / 125, found['rounds'])
    yield from compared_special(result['special'])


def compared_apple(result):
    for what, goal, group, conditions, key in (
            ('one processor', 'at least 1.2', 'core', {}, 'mb_s'),
            ("server's CPU, one processor", 'at most 0.5', 'core', {}, 'server_cpu'),
            ('loopback', 'at least 2.5', 'loopback', {}, 'mb_s'),
            ('veth', 'at least 2.5', 'veth', {}, 'mb_s'),
            ('1 % lost', 'at least 100', 'loss', {'loss': 1}, 'mb_s')):
        yield apart(result, "Apple's client: panicd : kdumpd, " + what, goal,
                    ('apple-panicd', group, conditions), ('apple-kdumpd', group, conditions), key)
    many = {'senders': 1000}
    yield apart(result, "1,000 of Apple's clients: panicd : a process for each", 'at least 3',
                ('apple-panicd', 'senders', many), ('apple-kdumpd', 'senders', many))
    rounds = find(result, 'apple-panicd', 'senders', **many)
    yield ("1,000 of Apple's clients: panicd's memory, MiB", 'under 128',
           median(rounds, 'server_mib') if rounds else None, rounds)


def compared_special(special):
    for fair in special.get('fairness', []):
        yield ("%s share a link: Jain's index" % ', '.join(fair['flows']), 'above 0.8',
               statistics.median(fair['jain']), None)
    if 'flood' in special:
        flood = special['flood']
        yield ('flood: a write request is answered, ms, 99 of 100', 'below 50',
               flood['ask_flooded']['p99_ms'], None)
        yield ('flood: a running transfer : without', 'at least 0.9',
               statistics.median(flood['flooded']) / statistics.median(flood['quiet']), None)


BETTER = {'at least': 1, 'above': 1, 'at most': -1, 'under': -1, 'below': -1}


def missed(goal, reached):
    word, _, number = goal.rpartition(' ')
    way = BETTER.get(word)
    return bool(way) and (reached - float(number)) * way < 0


def meanwhile(rounds):
    """What of the machine was in use in these rounds: what is full, limits."""
    words = []
    for key, text in (('busy', 'processors %.0f %% busy'), ('wire', 'the wire %.0f %% full'),
                      ('packed', 'packed to %.0f %%')):
        value = median(rounds, key)
        if value is not None and (key, value) != ('packed', 1):
            words.append(text % (100 * value))
    shares = [row['relay_cpu'] * row['bytes'] / (1 << 30) / row['seconds'] for row in rounds
              if row.get('relay_cpu')]
    if shares:
        words.append('the relay took %.2f of them' % statistics.median(shares))
    return ', '.join(words)


# ---- text ----

def machine_line(result):
    m = result['machine']
    return '%s, %d processors, %d MiB, %s, Linux %s, TCP with %s, %s' % (
        m['cpu'], m['cpus'], m['memory_mib'], m['system'], m['kernel'], m['tcp'], m['date'])


def special_lines(special):
    if 'fairness' in special:
        for fair in special['fairness']:
            yield '%s for %g s, shared by %s; MB/s of each round, and Jain\'s index:' % (
                fair['rate'], fair['seconds'], ', '.join(fair['flows']))
            for rates, index in zip(fair['mb_s'], fair['jain']):
                yield '  %s   %.3f' % ('  '.join(figure(r) for r in rates), index)
    if 'flood' in special:
        flood = special['flood']
        yield 'Flood of %.0f packets of garbage a second:' % flood['sent_per_s']
        for key, when in (('ask_quiet', 'without'), ('ask_flooded', 'with it')):
            a = flood[key]
            yield '  write requests %s: %d of %d answered, median %s, 99 of 100 %s, most %s ms' % (
                when, a['answered'], a['asked'], *(figure(a[k]) for k in (
                    'median_ms', 'p99_ms', 'most_ms')))
        yield '  %s: %s MB/s without, %s with it' % (
            flood['sender'], figure(statistics.median(flood['quiet'])),
            figure(statistics.median(flood['flooded'])))


def goal_lines(result):
    return [(what, goal, figure(reached),
             meanwhile(rounds) if rounds and missed(goal, reached) else '')
            for what, goal, reached, rounds in compared(result) if reached is not None]


def aligned(lines):
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        yield '  '.join(word.ljust(width) if i in (0, len(widths) - 1) else word.rjust(width)
                        for i, (word, width) in enumerate(zip(line, widths))).rstrip()


def text(result):
    out = [machine_line(result), 'load before: %.2f; %d rounds; it took %.0f s' % (
        result['load'], result['rounds'], result['took_s'])]
    for cell in result['cells']:
        out += ['', cell['title'] + dropped(cell), *aligned([HEADS, HEADS2, *rows(cell)])]
    special = list(special_lines(result['special']))
    goals = goal_lines(result)
    if special:
        out += ['', *special]
    if goals:
        out += ['', *aligned([('goals, of what was measured', 'goal', 'here', IN_USE), *goals])]
    if result.get('stopped'):
        out += ['', STOPPED]
    if result['failed']:
        out += ['', 'Failed:', *('  ' + line for line in result['failed'])]
    return '\n'.join(out)


def dropped(cell):
    n = cell.get('relay_dropped', 0)
    return ' (%d packets more than the relay had room for)' % n if n else ''


# ---- RESULTS.md ----

def markdown_table(heads, lines):
    yield '| ' + ' | '.join(heads) + ' |'
    yield '|---' * len(heads) + '|'
    for line in lines:
        yield '| ' + ' | '.join(word.replace('|', '\\|') for word in line) + ' |'


def markdown(result):
    out = ['# What `./run bench` measured', '',
           'Made by `bench/report.py`, never typed. [README.md](README.md) says how, and what the',
           'words mean.', '', machine_line(result) + '.',
           'Load before: %.2f; %d rounds each, interleaved; it took %.0f s: `./run bench %s`.' % (
               result['load'], result['rounds'], result['took_s'], result['command']),
           '', *([STOPPED, ''] if result.get('stopped') else []), '![rates](results.svg)', '']
    goals = goal_lines(result)
    if goals:
        out += ['## Goals', '', *markdown_table(('', 'goal', 'here', IN_USE), goals), '']
    heads = [(a + ', ' + b).strip(', ') if b else a for a, b in zip(HEADS, HEADS2)]
    for cell in result['cells']:
        out += ['## ' + cell['title'], '', *markdown_table(heads, rows(cell)), '']
        if dropped(cell):
            out += [dropped(cell).strip(' ()').capitalize() + '.', '']
    special = list(special_lines(result['special']))
    if special:
        out += ['## Not alone', '', '```', *special, '```', '']
    if result['failed']:
        out += ['## Failed', '', *('* ' + line for line in result['failed']), '']
    return '\n'.join(out).rstrip() + '\n'


# ---- the drawing ----

LEFT, WIDTH, BAR, TOP_GAP = 260, 900, 15, 40
LOW, HIGH = 0.01, 10000   # MB/s at the ends of the scale


def across(rate):
    """Where a rate lies, by its logarithm."""
    share = math.log10(max(rate, LOW) / LOW) / math.log10(HIGH / LOW)
    return LEFT + (WIDTH - LEFT - 60) * min(share, 1)


def panel(cell, top):
    yield '<text x="8" y="%d" class="head">%s</text>' % (top + 14, html.escape(cell['title']))
    bottom = top + TOP_GAP + len(cell['systems']) * (BAR + 3)
    rate = LOW
    while rate <= HIGH:
        x = across(rate)
        yield '<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" class="grid"/>' % (
            x, x, top + TOP_GAP - 6, bottom)
        yield '<text x="%.1f" y="%d" class="tick">%g</text>' % (x, top + TOP_GAP - 9, rate)
        rate *= 10
    y = top + TOP_GAP
    for system in cell['systems'].values():
        rates = [row['mb_s'] for row in system['rounds']]
        middle, low, high = statistics.median(rates), min(rates), max(rates)
        yield '<text x="%d" y="%d" class="name">%s</text>' % (
            LEFT - 6, y + BAR - 3, html.escape(system['title']))
        yield '<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>' % (
            LEFT, y, max(across(middle) - LEFT, 1), BAR, COLOURS[system['relation']])
        yield '<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" class="spread"/>' % (
            across(low), across(high), y + BAR / 2, y + BAR / 2)
        yield '<text x="%.1f" y="%d" class="rate">%s</text>' % (
            across(high) + 5, y + BAR - 3, figure(middle))
        y += BAR + 3


def drawing(result):
    top, parts = 48, []
    for cell in result['cells']:
        parts += panel(cell, top)
        top += TOP_GAP + len(cell['systems']) * (BAR + 3) + 16
    style = ('text{font:11px sans-serif;fill:#222}.head{font-weight:bold}.name{text-anchor:end}'
             '.tick{text-anchor:middle;fill:#777}.grid{stroke:#ddd}.spread{stroke:#000}')
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'viewBox="0 0 %d %d"><style>%s</style><rect width="100%%" height="100%%" '
            'fill="#fff"/>\n<text x="8" y="18">MB/s, median of %d rounds; the lines go from the '
            'least to the most.</text>\n<text x="8" y="34">%s</text>\n%s\n</svg>\n' % (
                WIDTH, top, WIDTH, top, style, result['rounds'],
                html.escape(machine_line(result)), '\n'.join(parts)))


def write(result, directory):
    with open(os.path.join(directory, 'RESULTS.md'), 'w') as f:
        f.write(markdown(result))
    with open(os.path.join(directory, 'results.svg'), 'w') as f:
        f.write(drawing(result))


def joined(paths):
    """What several calls have measured, as if it had been one. The machine is the last's."""
    result = {'cells': [], 'special': {}, 'failed': [], 'took_s': 0, 'load': 0, 'stopped': False}
    commands = []
    for path in paths:
        with open(path) as f:
            one = json.load(f)
        commands.append(one['command'])
        for key in ('machine', 'rounds'):
            result[key] = one[key]
        result['cells'] += one['cells']
        result['special'].update(one['special'])
        result['failed'] += one['failed']
        result['took_s'] += one['took_s']
        result['stopped'] |= one.get('stopped', False)
        result['load'] = max(result['load'], one['load'])
    return {**result, 'command': '; '.join(commands)}


if __name__ == '__main__':
    if len(sys.argv) < 2 or sys.argv[1].startswith('-'):
        sys.exit('usage: report.py FILE.json...     as ./run bench writes them')
    write(joined(sys.argv[1:]), os.path.dirname(os.path.abspath(__file__)))
