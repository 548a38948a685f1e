#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""/metrics of the real panicweb beside the real panicd: by Prometheus' own tools, and by Prometheus
itself, which scrapes it and fires our alerts; and that our rules and our dashboard ask for nothing
that is not there."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '../server'), os.path.join(HERE, '../e2e')]
sys.dont_write_bytecode = True
import lab                                            # noqa: E402
from kdp import BUILD, Panicd, Refused, Sender, Tap   # noqa: E402
from test_groups import panic_log                     # noqa: E402

PANICWEB = os.environ.get('PND_PANICWEB', os.path.join(BUILD, 'src/panicweb/panicweb'))
DATA = os.path.join(HERE, '../../data')
RULES = os.path.join(DATA, 'prometheus/panicd-rules.yml')
RULES_TEST = os.path.join(HERE, 'panicd-rules-test.yml')
DASHBOARD = os.path.join(DATA, 'grafana/panicd.json')
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')
NAME = re.compile(r'\bpanicd_[a-z0-9_]+')
TITLE = 'Kernel trap, type 14=page fault in [com.apple.driver.AppleHDA]'


def get(url, timeout=20, token=None):
    request = urllib.request.Request(url)
    if token:
        request.add_header('Authorization', 'Bearer ' + token)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.status, answer.headers, answer.read().decode()


def wait_for(what, why, timeout=60):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            got = what()
        except (OSError, urllib.error.URLError):
            got = None
        if got:
            return got
        time.sleep(0.1)
    raise AssertionError('waited %d s for %s' % (timeout, why))


class Web:
    """panicweb for the directory of a server."""

    def __init__(self, panicd, *options):
        self.process = subprocess.Popen([PANICWEB, '-p', '0', *options, panicd.directory],
                                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        found = re.match(r'panicweb: (http://127\.0\.0\.1:(\d+))/', line)
        assert found, line
        self.url, self.port = found.group(1), int(found.group(2))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def metrics(self):
        status, headers, text = get(self.url + '/metrics')
        assert status == 200, status
        assert headers['Content-Type'].startswith('text/plain; version=0.0.4'), headers
        return text


def read(text):
    """{(name, ((label, value), ...)): number}"""
    found = {}
    for line in text.splitlines():
        if line.startswith('#'):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        pairs = tuple(sorted(LABEL.findall(labels or '')))
        assert (name, pairs) not in found, line
        found[name, pairs] = float(value)
    return found


def value(samples, name, **labels):
    return samples[name, tuple(sorted(labels.items()))]


def program(name):
    """One that is installed; or out of Debian's package, which is fetched and not installed: that
    would leave a daemon on the machine that tests."""
    path = shutil.which(name)
    if path:
        return path

    def pick(path):
        return os.path.basename(path) if path in ('usr/bin/prometheus', 'usr/bin/promtool') else None

    def unpack(directory):
        lab._unpack('prometheus', pick, directory, keep=False)   # pylint: disable=protected-access
        for file in os.listdir(directory):
            os.chmod(os.path.join(directory, file), 0o755)

    place = lab._unpacked_once('prometheus', unpack)             # pylint: disable=protected-access
    return os.path.join(place, name)


def promtool(*args, text=None):
    run = subprocess.run([program('promtool'), *args], input=text, capture_output=True, text=True,
                         check=False)
    assert run.returncode == 0 and not run.stderr, (args, run.returncode, run.stdout, run.stderr)


def send(panicd, name, content, host='127.0.0.1'):
    sender = Sender(panicd.port, bind=(host, 0), patience=10)
    try:
        sender.dump(name, content)
    finally:
        sender.close()


def some_dumps(panicd):
    """A panic, noise, and a dump that is cut off."""
    import made_cores as cores
    send(panicd, 'paniclog-a', panic_log(0x2000000))
    send(panicd, 'core-a', os.urandom(100000))
    send(panicd, 'core-b.gz', cores.gzip(os.urandom(30000))[:-100])
    panicd.settled(3)


def without_prometheus():
    try:
        program('prometheus')
        return None
    except lab.Skip as why:
        return str(why)


def rules():
    """each alert rule is silent while all is well and speaks when it is not, says promtool"""
    if without_prometheus():
        return without_prometheus()
    promtool('check', 'rules', RULES)
    promtool('test', 'rules', RULES_TEST)
    with open(RULES) as f:
        text = f.read()
    with open(RULES_TEST) as f:
        tests = f.read()
    alerts = re.findall(r'- alert: (\w+)', text)
    fired = re.findall(r'alertname: (\w+)\n +exp_alerts:', tests)
    assert len(alerts) >= 15 and sorted(set(fired)) == sorted(alerts), set(alerts) ^ set(fired)
    for what in ('summary:', 'description:', 'severity:'):
        assert text.count(what) == len(alerts), what
    return None


def scraped():
    """a live scrape is what promtool wants, and its values are those of what was sent"""
    if without_prometheus():
        return without_prometheus()
    with Panicd() as panicd, Web(panicd) as web:
        some_dumps(panicd)
        wait_for(lambda: sum(v for (name, _), v in read(web.metrics()).items()
                             if name == 'panicd_dumps_total') == 3, 'three verdicts')
        text = web.metrics()
        promtool('check', 'metrics', text=text)
        samples = read(text)
        assert value(samples, 'panicd_up') == 1
        assert value(samples, 'panicd_dumps_total', protocol='kdp', verdict='complete') == 2
        assert value(samples, 'panicd_dumps_incomplete_total', protocol='kdp', reason='content') == 1
        assert value(samples, 'panicd_received_bytes_total', protocol='kdp') > 100000
        assert value(samples, 'panicd_dump_duration_seconds_count', protocol='kdp') == 3
        assert value(samples, 'panicd_cause_known_seconds_count', protocol='kdp') == 1
        assert value(samples, 'panicd_listening', protocol='kdp') == 1
        machines = [(dict(labels), v) for (name, labels), v in samples.items()
                    if name == 'panicd_group_machines']
        assert len(machines) == 1 and machines[0][1] == 1, machines
        assert machines[0][0]['title'] == TITLE, machines
        assert abs(value(samples, 'panicd_start_time_seconds') - time.time()) < 120
    return None


def without_a_server():
    """when no server listens the scrape succeeds, says so, and still knows the panics"""
    with Panicd() as panicd:
        some_dumps(panicd)
        with Web(panicd) as web:
            panicd.kill()
            samples = wait_for(lambda: not value(read(web.metrics()), 'panicd_up') and
                               read(web.metrics()), 'panicd_up 0')
            assert ('panicd_room_free_bytes', ()) not in samples, samples
            assert value(samples, 'panicd_groups') == 1
            panicd.start()
            wait_for(lambda: value(read(web.metrics()), 'panicd_up') == 1, 'panicd_up 1')


def a_server_that_hangs():
    """a server that does not answer is one that is not there, and holds up no scrape"""
    with Panicd() as panicd, Web(panicd) as web:
        assert value(read(web.metrics()), 'panicd_up') == 1
        panicd.process.send_signal(signal.SIGSTOP)
        try:
            begin = time.monotonic()
            samples = read(web.metrics())
            took = time.monotonic() - begin
        finally:
            panicd.process.send_signal(signal.SIGCONT)
        assert value(samples, 'panicd_up') == 0 and took < 8, took
        wait_for(lambda: value(read(web.metrics()), 'panicd_up') == 1, 'panicd_up 1')


class Token:
    """A file of panicweb's tokens with one that may measure, and one of Prometheus with it alone."""

    def __init__(self, directory):
        self.text = os.urandom(20).hex()
        self.web, self.prometheus = directory + '/web', directory + '/prometheus'
        for path, text in (self.web, self.text + ':metrics\n'), (self.prometheus, self.text):
            with open(path, 'w', opener=lambda p, flags: os.open(p, flags, 0o600)) as f:
                f.write(text)


def status_of(url, token=None):
    try:
        return get(url, token=token)[0]
    except urllib.error.HTTPError as why:
        return why.code


def a_token():
    """a token for metrics opens /metrics, and nothing else"""
    with Panicd() as panicd, tempfile.TemporaryDirectory() as place:
        token = Token(place)
        with Web(panicd, '--token-file', token.web) as web:
            assert status_of(web.url + '/metrics') == 401
            assert status_of(web.url + '/metrics', token.text[:-1] + 'x') == 401
            assert status_of(web.url + '/metrics', token.text) == 200
            for path in '/', '/api/now', '/api/dumps', '/api/events':
                assert status_of(web.url + path, token.text) == 403, path


class Prometheus:
    """The real one, which asks every second."""

    def __init__(self, target, token):
        self.directory = tempfile.mkdtemp(prefix='panicd-prometheus-')
        with socket.socket() as s:
            s.bind(('127.0.0.1', 0))
            self.port = s.getsockname()[1]
        config = os.path.join(self.directory, 'prometheus.yml')
        with open(config, 'w') as f:
            f.write('global: {scrape_interval: 1s, evaluation_interval: 1s}\n'
                    'rule_files: [%s]\nscrape_configs:\n  - job_name: panicd\n'
                    '    authorization: {credentials_file: %s}\n'
                    '    static_configs: [{targets: ["%s"]}]\n' % (os.path.abspath(RULES),
                                                                   token.prometheus, target))
        promtool('check', 'config', config)
        self.log = open(os.path.join(self.directory, 'log'), 'w+')
        self.process = subprocess.Popen(
            [program('prometheus'), '--config.file=' + config, '--storage.tsdb.path=' + self.directory,
             '--web.listen-address=127.0.0.1:%d' % self.port], stdout=self.log, stderr=self.log)

    def __enter__(self):
        try:
            wait_for(lambda: get('http://127.0.0.1:%d/-/ready' % self.port), 'Prometheus')
        except AssertionError:
            self.log.seek(0)
            print('# ' + self.log.read()[-2000:].replace('\n', '\n# '))
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)
        self.log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def api(self, path, **query):
        url = 'http://127.0.0.1:%d/api/v1/%s?%s' % (self.port, path, urllib.parse.urlencode(query))
        try:
            answer = json.loads(get(url)[2])
        except urllib.error.HTTPError as why:
            raise AssertionError('%s: %s' % (query, why.read().decode())) from why
        assert answer['status'] == 'success', answer
        return answer['data']

    def number(self, expr):
        result = self.api('query', query=expr)['result']
        return float(result[0]['value'][1]) if result else None

    def alerts(self):
        return {(a['labels']['alertname'], a['state']): a for a in self.api('alerts')['alerts']}


def prometheus():
    """Prometheus scrapes it: values are right, alerts fire, and every query of the dashboard works"""
    if without_prometheus():
        return without_prometheus()
    config = '[policy]\nfloor = 0\nallow = 127.0.0.1 127.0.0.3 127.0.0.4\n'
    with tempfile.TemporaryDirectory() as place:
        token = Token(place)
        with Panicd(config=config) as panicd, Web(panicd, '--token-file', token.web) as web, \
                Prometheus('127.0.0.1:%d' % web.port, token) as prom:
            watch(panicd, prom)
    return None


def watch(panicd, prom):
    wait_for(lambda: prom.number('panicd_up') == 1, 'the first sample')
    assert not prom.alerts(), prom.alerts()
    some_dumps(panicd)
    for host in ('127.0.0.3', '127.0.0.4'):
        send(panicd, 'paniclog-a', panic_log(0x4000000), host)
    try:
        send(panicd, 'core-c', b'x', '127.0.0.2')
        raise AssertionError('it was let in')
    except Refused:
        pass
    wait_for(lambda: prom.number('sum(panicd_dumps_total)') == 5, 'five dumps')
    assert prom.number('panicd_dumps_total{protocol="kdp",verdict="complete"}') == 4
    assert prom.number('panicd_refused_total{rule="allow"}') == 1
    assert prom.number('panicd_group_machines') == 3
    wait_for(lambda: {('PanicdDumpArrived', 'firing'), ('PanicdDumpIncomplete', 'firing'),
                      ('PanicdRefused', 'firing'), ('PanicdSamePanic', 'firing')}
             <= set(prom.alerts()), 'the alerts')
    same = prom.alerts()['PanicdSamePanic', 'firing']['annotations']
    assert same['summary'] == '3 machines have died of the same: ' + TITLE, same
    wait_for(lambda: prom.number('histogram_quantile(0.9, sum by (le) (rate('
                                 'panicd_dump_duration_seconds_bucket[1m]))) > 0'), 'a rate')
    for expr in dashboard_queries():
        prom.api('query', query=expr)
    panicd.kill()
    wait_for(lambda: prom.number('panicd_up') == 0 and ('PanicdDown', 'pending') in prom.alerts(),
             'PanicdDown')
    assert prom.number('up{job="panicd"}') == 1


def dashboard_queries():
    """Each with what Grafana puts in place of its variables."""
    found = []
    with open(DASHBOARD) as f:
        dashboard = json.load(f)
    for panel in dashboard['panels']:
        for target in panel.get('targets', []):
            expr = target['expr'].replace('$__rate_interval', '1m').replace('$__interval', '1m')
            expr = expr.replace('$instance', '.*')
            assert '$' not in expr, expr
            found.append(expr)
    return found


def dashboard():
    """the dashboard is one that Grafana can load: ids, places, the variable of its source"""
    with open(DASHBOARD) as f:
        board = json.load(f)
    assert board['schemaVersion'] >= 36 and board['uid'] and board['title'], board['title']
    variables = {v['name']: v for v in board['templating']['list']}
    assert variables['datasource']['type'] == 'datasource'
    assert variables['datasource']['query'] == 'prometheus'
    source = {'type': 'prometheus', 'uid': '${datasource}'}
    assert variables['instance']['datasource'] == source
    ids = [panel['id'] for panel in board['panels']]
    assert len(ids) == len(set(ids)) and all(isinstance(i, int) and i > 0 for i in ids), ids
    taken = set()
    for panel in board['panels']:
        at = panel['gridPos']
        cells = {(x, y) for x in range(at['x'], at['x'] + at['w'])
                 for y in range(at['y'], at['y'] + at['h'])}
        assert at['x'] + at['w'] <= 24 and not cells & taken, panel['title']
        taken |= cells
        if panel['type'] == 'row':
            continue
        assert panel['datasource'] == source and panel['description'], panel['title']
        refs = [target['refId'] for target in panel['targets']]
        assert refs and len(refs) == len(set(refs)), panel['title']
        assert all(target['datasource'] == source for target in panel['targets']), panel['title']
    assert len(dashboard_queries()) >= 20


def nothing_unknown():
    """the rules and the dashboard ask for no metric that panicweb does not have, nor a label"""
    with Panicd() as panicd, Web(panicd) as web:
        some_dumps(panicd)
        samples = wait_for(lambda: read(web.metrics()), 'a scrape')
    there = {name for name, _ in samples}
    labels = {}
    for name, pairs in samples:
        labels.setdefault(name, set()).update(label for label, _ in pairs)
    with open(RULES) as f:
        exprs = re.findall(r'expr: (?:>-\n)?((?:.|\n)*?)\n +(?:for|labels):', f.read())
    assert len(exprs) >= 15
    for expr in exprs + dashboard_queries():
        asked = set(NAME.findall(expr))
        assert asked <= there or not asked and 'up{' in expr, (expr, asked - there)
        for by in re.findall(r'by \(([^)]*)\)', expr):
            for label in re.split(r', *', by):
                assert label == 'instance' or any(label in labels[name] for name in asked), expr


def nothing_untold():
    """the manual names every metric that there is, and no other"""
    with Panicd() as panicd, Web(panicd) as web:
        some_dumps(panicd)
        families = set(re.findall(r'^# TYPE (\S+)', web.metrics(), re.M))
    with open(os.path.join(HERE, '../../man/panicd-metrics.7')) as f:
        told = set(NAME.findall(f.read()))
    assert told == families, told ^ families


ALL = [rules, dashboard, scraped, without_a_server, nothing_unknown, nothing_untold,
       a_server_that_hangs, a_token, prometheus]

if __name__ == '__main__':
    tap = Tap()
    for one in ALL:
        if len(sys.argv) < 2 or one.__name__ in sys.argv[1:]:
            tap.run(one)
    sys.exit(tap.done())
