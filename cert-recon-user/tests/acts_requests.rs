//! What commands ask, read from their arguments: tables of command lines as people and attackers write them.

use cert_recon::acts::{Budget, Command, Manner, Requests, Word, requests};

/// The words of a line: white space parts them, quotes of either kind keep it, and nothing else has a meaning.
fn words(line: &str) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    for byte in line.bytes() {
        match quote {
            Some(open) if byte == open => quote = None,
            None if byte == b' ' => words.extend(word.take()),
            None if matches!(byte, b'\'' | b'"') => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words
}

fn read_with(line: &str, stdin: Option<&str>) -> Requests {
    let words = words(line);
    let (program, args) = words.split_first().expect("a program");
    let command = Command {
        programs: vec![String::from_utf8_lossy(program).to_lowercase()],
        args: args.iter().map(|arg| Word::borrowed(arg)).collect(),
        stdin: stdin.map(|text| text.as_bytes().to_vec()),
        via: Vec::new(),
    };
    requests::of(&command, &mut Budget::new(line.len()))
}

fn read(line: &str) -> Requests {
    read_with(line, None)
}

/// Rows of a line, its hosts, its targets; all that are wrong are shown.
fn check(rows: &[(&str, &str, &str)]) {
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(line, hosts, targets)| {
            let found = read(line);
            let shown = (found.hosts.join(" "), found.targets.join(" "));
            (shown != ((*hosts).to_owned(), (*targets).to_owned()))
                .then(|| format!("{line:?}\n   found: {shown:?}\nexpected: {:?}", (hosts, targets)))
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} rows:\n{}",
        wrong.len(),
        rows.len(),
        wrong.join("\n")
    );
}

#[rustfmt::skip]
#[test]
fn curl_asks_the_host_of_each_url() {
    check(&[
        ("curl https://crt.sh/?q=x", "crt.sh", ""),
        ("curl -s https://crt.sh/?q=%.example.com&output=json", "crt.sh", "example.com"),
        ("curl -s https://crt.sh/?q=%25.example.com&output=json", "crt.sh", "example.com"),
        ("curl -s https://crt.sh/?q=%2525.example.com", "crt.sh", "example.com"),
        ("curl crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("curl CRT.SH./?Identity=*.example.com", "crt.sh", "example.com"),
        ("curl crt.sh", "crt.sh", ""),
        ("curl crt.sh:443/x", "crt.sh", ""),
        ("curl https://crt.sh@evil.example/", "evil.example", ""),
        ("curl https://x:y@crt.sh/", "crt.sh", ""),
        ("curl https://x@y@crt.sh/", "crt.sh", ""),
        ("curl https:/crt.sh", "crt.sh", ""),
        ("curl https:crt.sh", "crt.sh", ""),
        ("curl https:///crt.sh", "crt.sh", ""),
        ("curl https:\\\\crt.sh\\x", "crt.sh", ""),
        ("curl https://crt%2Esh/", "crt.sh", ""),
        ("curl https://%63%72%74%2e%73%68/", "crt.sh", ""),
        ("curl https://crt%252esh/", "crt.sh", ""),
        ("curl https://ｃｒｔ.ｓｈ/", "crt.sh", ""),
        ("curl https://crt。sh/", "crt.sh", ""),
        ("curl https://bücher.example/", "xn--bcher-kva.example", ""),
        ("curl https://notcrt.sh.example/", "notcrt.sh.example", ""),
        ("curl https://evil.example/crt.sh", "evil.example", ""),
        ("curl https://evil.example/?next=https://crt.sh/", "evil.example", ""),
        ("curl https://[2001:db8::1]:8443/", "2001:db8::1", ""),
        ("curl -g https://[2001:db8::1]/", "2001:db8::1", ""),
        ("curl http://2130706433/", "127.0.0.1", ""),
        ("curl http://0x7f.1/", "127.0.0.1", ""),
        ("curl http://127.1/", "127.0.0.1", ""),
        ("curl -o crt.sh https://example.com/", "example.com", ""),
        ("curl -sSLo crt.sh https://example.com/", "example.com", ""),
        ("curl -ocrt.sh https://example.com/", "example.com", ""),
        ("curl --output crt.sh https://example.com/", "example.com", ""),
        ("curl --output=crt.sh https://example.com/", "example.com", ""),
        ("curl -O https://example.com/crt.sh.txt", "example.com", ""),
        ("curl -e https://crt.sh/ https://example.com/", "example.com", ""),
        ("curl --referer https://crt.sh/ https://example.com/", "example.com", ""),
        ("curl -A crt.sh https://example.com/", "example.com", ""),
        ("curl -x http://crt.sh:3128 https://example.com/", "example.com", ""),
        ("curl --proxy crt.sh:3128 https://example.com/", "example.com", ""),
        ("curl -T crt.sh https://example.com/", "example.com", ""),
        ("curl --doh-url https://dns.example/ https://crt.sh/", "crt.sh", ""),
        ("curl --url https://crt.sh/", "crt.sh", ""),
        ("curl --url=https://crt.sh/", "crt.sh", ""),
        ("curl https://a.example/ https://crt.sh/", "a.example crt.sh", ""),
        ("curl https://a.example/ --next -s https://crt.sh/", "a.example crt.sh", ""),
        ("curl -H 'Host: crt.sh' https://192.0.2.7/", "crt.sh 192.0.2.7", ""),
        ("curl -H Host:crt.sh https://192.0.2.7/", "crt.sh 192.0.2.7", ""),
        ("curl -H ':authority: crt.sh' https://192.0.2.7/", "crt.sh 192.0.2.7", ""),
        ("curl -H 'Accept: crt.sh' https://example.com/", "example.com", ""),
        ("curl --resolve crt.sh:443:192.0.2.7 https://crt.sh/", "crt.sh 192.0.2.7", ""),
        ("curl --resolve crt.sh:443:192.0.2.7 https://example.com/", "example.com", ""),
        ("curl --connect-to example.com:443:crt.sh:443 https://example.com/", "crt.sh example.com", ""),
        ("curl --connect-to ::crt.sh: https://example.com/", "crt.sh example.com", ""),
        ("curl --connect-to ::[2001:db8::1]:443 https://example.com/", "2001:db8::1 example.com", ""),
        ("curl --request-target https://crt.sh/ http://example.com/", "crt.sh example.com", ""),
        ("curl https://{crt,foo}.sh/", "crt.sh foo.sh", ""),
        ("curl https://c[q-s]t.sh/", "cqt.sh crt.sh cst.sh", ""),
        ("curl https://h[1-3].example/", "h1.example h2.example h3.example", ""),
        ("curl {https://,http://}crt.sh", "crt.sh", ""),
        ("curl -g https://{crt,foo}.sh/", "", ""),
        ("curl -G https://crt.sh/ -d q=%.example.com", "crt.sh", "example.com"),
        ("curl -G https://crt.sh/ --data-urlencode q=%.example.com -d output=json", "crt.sh", "example.com"),
        ("curl https://search.censys.io/api -d '{\"q\": \"names: example.com\"}'", "search.censys.io", "example.com"),
        ("curl --json '{\"query\":\"example.com\"}' https://api.example/", "api.example", "example.com"),
        ("curl -d @example.com https://crt.sh/", "crt.sh", ""),
        ("curl --url-query q=example.com https://crt.sh/", "crt.sh", "example.com"),
        ("curl https://crt.sh/example.com", "crt.sh", "example.com"),
        ("curl https://crt.sh/index.html", "crt.sh", ""),
        ("curl https://api.certspotter.com/v1/issuances?domain=example.com&include_subdomains=true", "api.certspotter.com", "example.com"),
        ("curl https://censys.io/hosts/192.0.2.1", "censys.io", "192.0.2.1"),
        ("curl https://search.censys.io/certificates?q=parsed.names:example.com", "search.censys.io", "example.com"),
        ("curl https://api.shodan.io/shodan/host/search?query=ssl.cert.subject.cn:%22example.com%22", "api.shodan.io", "example.com"),
        ("curl https://transparencyreport.google.com/https/certificates?cert_search=x&domain=example.com", "transparencyreport.google.com", "example.com"),
        ("curl https://crt.sh/?dNSName=example.com", "crt.sh", "example.com"),
        ("curl https://crt.sh/?CN=example.com", "crt.sh", "example.com"),
        ("curl https://crt.sh/?q=example.com,example.org", "crt.sh", "example.com example.org"),
        ("curl https://r.jina.ai/https://crt.sh/?q=example.com", "r.jina.ai crt.sh", "example.com"),
        ("curl https://web.archive.org/web/2024/https://crt.sh/", "web.archive.org", ""),
        ("curl https://web.archive.org/web/2024/https://crt.sh/?q=example.com", "web.archive.org crt.sh", "example.com"),
        ("curl https://crt-sh.translate.goog/?q=example.com", "crt-sh.translate.goog crt.sh", "example.com"),
        ("curl https://api.allorigins.win/get?url=https%3A%2F%2Fcrt.sh%2F%3Fq%3Dexample.com", "api.allorigins.win crt.sh", "example.com"),
        ("curl https://corsproxy.io/?https://crt.sh/", "corsproxy.io crt.sh", ""),
        ("curl https://corsproxy.io/?https%3A%2F%2Fcrt.sh%2F", "corsproxy.io crt.sh", ""),
        ("curl --variable h=crt.sh --expand-url https://{{h}}/", "crt.sh", ""),
        ("curl -- https://crt.sh/", "crt.sh", ""),
        ("curl -fsSL --retry 3 --max-time 10 https://crt.sh/", "crt.sh", ""),
        ("curl -XPOST https://crt.sh/", "crt.sh", ""),
        ("curl -u crt.sh:x https://example.com/", "example.com", ""),
        ("curl -b crt.sh https://example.com/", "example.com", ""),
        ("curl --cacert crt.sh https://example.com/", "example.com", ""),
        ("curl -w crt.sh https://example.com/", "example.com", ""),
        ("curl -m 5 crt.sh", "crt.sh", ""),
        ("curl --no-progress-meter crt.sh", "crt.sh", ""),
        ("curl file:///etc/hosts", "", ""),
        ("curl", "", ""),
        ("curl_chrome116 https://crt.sh/", "crt.sh", ""),
        ("curlie crt.sh q==example.com", "crt.sh", "example.com"),
    ]);
}

#[rustfmt::skip]
#[test]
fn wget_httpie_and_other_clients_ask_the_host_of_each_url() {
    check(&[
        ("wget https://crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("wget -qO- crt.sh/?q=%.example.com", "crt.sh", "example.com"),
        ("wget -q -O - https://crt.sh/", "crt.sh", ""),
        ("wget -O crt.sh https://example.com/", "example.com", ""),
        ("wget -P crt.sh https://example.com/", "example.com", ""),
        ("wget --output-document=crt.sh https://example.com/", "example.com", ""),
        ("wget --header='Host: crt.sh' https://192.0.2.1/", "crt.sh 192.0.2.1", ""),
        ("wget --post-data=q=example.com https://crt.sh/", "crt.sh", "example.com"),
        ("wget --user-agent crt.sh https://example.com/", "example.com", ""),
        ("wget --referer=https://crt.sh/ https://example.com/", "example.com", ""),
        ("wget -nv -t 3 https://crt.sh/", "crt.sh", ""),
        ("wget -i https://crt.sh/list", "crt.sh", ""),
        ("wget -i list.txt", "", ""),
        ("wget2 https://crt.sh/", "crt.sh", ""),
        ("http GET crt.sh/ q==example.com", "crt.sh", "example.com"),
        ("http crt.sh q==%.example.com output==json", "crt.sh", "example.com"),
        ("https crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("http --body https://crt.sh/", "crt.sh", ""),
        ("http :8080/x", "localhost", ""),
        ("http ://crt.sh", "crt.sh", ""),
        ("http -o crt.sh example.com/x", "example.com", ""),
        ("http 192.0.2.1 Host:crt.sh", "192.0.2.1 crt.sh", ""),
        ("http POST api.example domain=example.com", "api.example", "example.com"),
        ("xh crt.sh q==example.com", "crt.sh", "example.com"),
        ("xhs get crt.sh", "crt.sh", ""),
        ("aria2c -o crt.sh https://example.com/", "example.com", ""),
        ("aria2c -x 4 https://crt.sh/", "crt.sh", ""),
        ("axel -o out https://crt.sh/", "crt.sh", ""),
        ("lynx -dump https://crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("lynx -source crt.sh", "crt.sh", ""),
        ("w3m -dump crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("w3m -o confirm_qq=false -dump https://crt.sh/", "crt.sh", ""),
        ("links -dump https://crt.sh/", "crt.sh", ""),
        ("elinks -dump https://crt.sh/", "crt.sh", ""),
        ("fetch -qo - https://crt.sh/", "crt.sh", ""),
        ("GET https://crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("head https://crt.sh/", "crt.sh", ""),
        ("head -n 5 crt.sh", "", ""),
        ("lwp-request -m GET https://crt.sh/", "crt.sh", ""),
        ("lwp-download https://crt.sh/ out", "crt.sh out", ""),
        ("ab -n 1 -c 1 https://crt.sh/", "crt.sh", ""),
        ("wrk -t2 -c10 -d1s https://crt.sh/", "crt.sh", ""),
        ("chromium --headless --dump-dom https://crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("google-chrome --app=https://crt.sh/", "crt.sh", ""),
        ("google-chrome --proxy-server=crt.sh:1 https://example.com/", "example.com", ""),
        ("chromium --host-resolver-rules='MAP example.com crt.sh' https://example.com/", "crt.sh example.com", ""),
        ("firefox crt.sh", "crt.sh", ""),
        ("firefox -P work https://crt.sh/", "crt.sh", ""),
        ("firefox --new-tab https://crt.sh/", "crt.sh", ""),
        ("xdg-open https://crt.sh/", "crt.sh", ""),
        ("xdg-open crt.sh", "", ""),
        ("gio open https://crt.sh/", "crt.sh", ""),
        ("websocat wss://certstream.calidog.io/", "certstream.calidog.io", ""),
        ("wscat -c wss://certstream.calidog.io/", "certstream.calidog.io", ""),
        ("bitsadmin /transfer x https://crt.sh/?q=example.com out", "crt.sh", "example.com"),
    ]);
}

#[rustfmt::skip]
#[test]
fn connections_ask_the_host_that_they_go_to() {
    check(&[
        ("openssl s_client -connect example.com:443", "example.com", "example.com"),
        ("openssl s_client -connect example.com:443 -servername www.example.com", "example.com", "example.com www.example.com"),
        ("openssl s_client -servername www.example.com -connect 192.0.2.1:443", "192.0.2.1", "www.example.com 192.0.2.1"),
        ("openssl s_client -connect [2001:db8::1]:443", "2001:db8::1", "2001:db8::1"),
        ("openssl s_client -host example.com -port 443", "example.com", "example.com"),
        ("openssl s_client example.com:443", "example.com", "example.com"),
        ("openssl s_client -showcerts -proxy proxy.example:3128 -connect example.com:443", "example.com", "example.com"),
        ("openssl s_client -starttls smtp -connect mail.example.com:25", "mail.example.com", "mail.example.com"),
        ("openssl s_client -CAfile ca.pem -connect localhost:443", "localhost", ""),
        ("openssl s_time -connect example.com:443 -www /", "example.com", "example.com"),
        ("openssl ocsp -issuer ca.pem -cert a.pem -url http://ocsp.example/", "ocsp.example", ""),
        ("openssl x509 -in crt.sh -noout", "", ""),
        ("openssl x509 -in example.com.pem -text", "", ""),
        ("gnutls-cli example.com", "example.com", "example.com"),
        ("gnutls-cli -p 443 --sni-hostname www.example.com 192.0.2.1", "192.0.2.1", "www.example.com 192.0.2.1"),
        ("gnutls-cli-debug example.com", "example.com", "example.com"),
        ("keytool -printcert -sslserver example.com:443", "example.com", "example.com"),
        ("keytool -printcert -file example.com.pem", "", ""),
        ("nc crt.sh 443", "crt.sh", ""),
        ("nc -v -w 3 crt.sh 443", "crt.sh", ""),
        ("nc -x proxy.example:1080 crt.sh 443", "crt.sh", ""),
        ("nc -l 443", "", ""),
        ("nc -lvp 4444", "", ""),
        ("ncat --ssl crt.sh 443", "crt.sh", ""),
        ("ncat --proxy proxy.example:3128 --ssl crt.sh 443", "crt.sh", ""),
        ("telnet example.com 443", "example.com", ""),
        ("socat - OPENSSL:crt.sh:443", "crt.sh", ""),
        ("socat - openssl-connect:crt.sh:443,verify=0", "crt.sh", ""),
        ("socat - OPENSSL:192.0.2.1:443,snihost=www.example.com", "192.0.2.1", "www.example.com"),
        ("socat TCP-LISTEN:8080,fork TCP:example.com:80", "example.com", ""),
        ("socat - PROXY:proxy.example:crt.sh:443,proxyport=3128", "crt.sh", ""),
        ("psql -h crt.sh -p 5432 -U guest certwatch", "crt.sh", ""),
        ("psql --host=crt.sh -U guest -d certwatch", "crt.sh", ""),
        ("psql -hcrt.sh -Uguest certwatch", "crt.sh", ""),
        ("psql postgresql://guest@crt.sh/certwatch", "crt.sh", ""),
        ("psql postgres://guest@crt.sh:5432/certwatch -c 'select 1'", "crt.sh", ""),
        ("psql 'host=crt.sh dbname=certwatch user=guest'", "crt.sh", ""),
        ("psql -d 'dbname = certwatch host = crt.sh'", "crt.sh", ""),
        ("psql -d certwatch crt.sh", "", ""),
        ("psql -h /var/run/postgresql certwatch", "", ""),
        ("psql -h crt.sh -c \"select x from ci where name like '%.example.com'\" certwatch", "crt.sh", "example.com"),
        ("duckdb -c \"select * from read_json('https://crt.sh/?q=example.com')\"", "crt.sh", "example.com"),
        ("osqueryi \"select * from curl_certificate where hostname='example.com'\"", "", "example.com"),
        ("dig crt.sh", "", ""),
        ("host crt.sh", "", ""),
        ("nslookup crt.sh", "", ""),
        ("ssh crt.sh", "", ""),
        ("scp crt.sh:x .", "", ""),
        ("rsync -a crt.sh::x .", "", ""),
        ("git clone https://crt.sh/x.git", "", ""),
        ("pip install https://crt.sh/x", "", ""),
        ("docker pull crt.sh/x", "", ""),
        ("echo https://crt.sh/", "", ""),
        ("grep -r https://crt.sh/ .", "", ""),
        ("vim crt.sh.txt", "", ""),
        ("bash -c 'exec 3<>/dev/tcp/crt.sh/443'", "crt.sh", ""),
        ("exec 3<>/dev/tcp/crt.sh/443", "crt.sh", ""),
        ("cat 0</dev/tcp/crt.sh/80", "crt.sh", ""),
        ("cat /dev/tcp/crt.sh/80", "", ""),
        ("gawk 'BEGIN{s=\"/inet/tcp/0/crt.sh/80\"; print \"GET /\" |& s}'", "crt.sh", ""),
        ("gawk -v s=/inet4/tcp/0/crt.sh/80 'BEGIN{print |& s}'", "crt.sh", ""),
        ("awk '{print $1}' crt.sh", "", ""),
    ]);
}

#[rustfmt::skip]
#[test]
fn code_asks_the_hosts_of_its_requests() {
    check(&[
        ("python3 -c \"import urllib.request as u; u.urlopen('https://crt.sh/?q=example.com')\"", "crt.sh", "example.com"),
        ("python3 -c \"import requests; requests.get('https://crt'+'.sh/')\"", "crt.sh", ""),
        ("python3 -c \"import requests; requests.get('https://crt.sh/', params={'q': '%.example.com'})\"", "crt.sh", "example.com"),
        ("python3 -c \"import requests; requests.get('https://crt.sh/', params=dict(q='example.com'))\"", "crt.sh", "example.com"),
        ("python3 -c \"import http.client as h; c=h.HTTPSConnection('crt.sh'); c.request('GET','/?q=example.com')\"", "crt.sh", "example.com"),
        ("python3 -c \"import psycopg2; psycopg2.connect(host='crt.sh', user='guest', dbname='certwatch')\"", "crt.sh", ""),
        ("python3 -c \"import psycopg2; psycopg2.connect('host=crt.sh user=guest')\"", "crt.sh", ""),
        ("python3 -c \"import socket,ssl; ssl.get_server_certificate(('example.com',443))\"", "example.com", "example.com"),
        ("python3 -c \"import httpx; httpx.get(f'https://{chr(99)}rt.sh')\"", "\0rt.sh", ""),
        ("python3 -c \"import requests; h='crt'; requests.get(f'https://{h}.sh/')\"", "crt.sh", ""),
        ("python3 -c \"import requests,base64; requests.get('https://'+base64.b64decode('Y3J0LnNo').decode())\"", "crt.sh", ""),
        ("python3 -c \"import requests; requests.get(bytes.fromhex('68747470733a2f2f6372742e7368').decode())\"", "crt.sh", ""),
        ("python3 -c \"exec(__import__('base64').b64decode('aW1wb3J0IHJlcXVlc3RzOyByZXF1ZXN0cy5nZXQoJ2h0dHBzOi8vY3J0LnNoJyk='))\"", "crt.sh", ""),
        ("python3 -c \"import requests; requests.get('https://%s/' % ''.join(['crt','.sh']))\"", "crt.sh", ""),
        ("python3 -c \"import certstream; certstream.listen_for_events(f, url='wss://certstream.calidog.io/')\"", "certstream.calidog.io", ""),
        ("python3 -c \"print('crt.sh')\"", "", ""),
        ("python3 -c \"x = 'https://crt.sh/'; print(x)\"", "", ""),
        ("python3 -Ic \"import requests,sys; requests.get(sys.argv[1])\" https://crt.sh/", "crt.sh", ""),
        ("python3 -c \"import sys; print(sys.argv)\" https://crt.sh/", "", ""),
        ("python3 query.py https://crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("python3 query.py --source=crt.sh --out out.json", "", ""),
        ("python3 query.py --source=crt.sh --domain example.com", "example.com crt.sh", "example.com"),
        ("python3 query.py -d example.com", "example.com", "example.com"),
        ("python3 crt.sh.py", "", ""),
        ("python3 -m http.server", "", ""),
        ("perl -MLWP::Simple -e 'getprint(\"https://crt.sh/?q=example.com\")'", "crt.sh", "example.com"),
        ("perl -MLWP::Simple -e 'getprint shift' https://crt.sh/", "crt.sh", ""),
        ("perl -MHTTP::Tiny -E 'say HTTP::Tiny->new->get(\"https://\".\"crt.sh/\")->{content}'", "crt.sh", ""),
        ("perl -MIO::Socket::SSL -e '$s=IO::Socket::SSL->new(\"crt.sh:443\")'", "crt.sh", ""),
        ("perl -ne 'print if /crt.sh/' file", "", ""),
        ("ruby -ropen-uri -e 'puts URI.open(\"https://crt.sh/?q=example.com\").read'", "crt.sh", "example.com"),
        ("ruby -rnet/http -e 'puts Net::HTTP.get(\"crt.sh\", \"/?q=example.com\")'", "crt.sh", "example.com"),
        ("ruby -e 'puts \"crt.sh\"'", "", ""),
        ("node -e \"fetch('https://crt.sh/?q=example.com').then(r=>r.text()).then(console.log)\"", "crt.sh", "example.com"),
        ("node -pe \"require('https').get('https://crt.sh/')\"", "crt.sh", ""),
        ("node -e \"require('https').get({host:'crt.sh',path:'/?q=example.com'})\"", "crt.sh", "example.com"),
        ("node -e 'fetch(`https://${[\"crt\",\"sh\"].join(\".\")}/`)'", "\0", ""),
        ("node -e \"fetch('https://'+['crt','sh'].join('.')+'/')\"", "crt.sh", ""),
        ("node -e \"fetch(Buffer.from('aHR0cHM6Ly9jcnQuc2gv','base64').toString())\"", "crt.sh", ""),
        ("node -e \"fetch(atob('aHR0cHM6Ly9jcnQuc2gv'))\"", "crt.sh", ""),
        ("node -e \"console.log('crt.sh')\"", "", ""),
        ("php -r 'echo file_get_contents(\"https://crt.sh/?q=example.com\");'", "crt.sh", "example.com"),
        ("php -r '$c=curl_init(\"https://crt\".\".sh\"); curl_exec($c);'", "crt.sh", ""),
        ("lua -e 'print(require(\"ssl.https\").request(\"https://crt.sh/\"))'", "crt.sh", ""),
        ("deno eval \"await fetch('https://crt.sh/')\"", "crt.sh", ""),
        ("bun -e \"await fetch('https://crt.sh/')\"", "crt.sh", ""),
        ("pwsh -Command \"Invoke-WebRequest -Uri https://crt.sh/?q=example.com\"", "crt.sh", "example.com"),
        ("pwsh -c iwr crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("pwsh -NoProfile -c 'irm https://crt.sh/?q=%.example.com'", "crt.sh", "example.com"),
        ("pwsh -c \"(New-Object Net.WebClient).DownloadString('https://crt.sh/')\"", "crt.sh", ""),
        ("pwsh -c \"$u='crt.sh'; irm https://$u/\"", "crt.sh", ""),
        ("pwsh -c \"i`wr https://c`rt.sh/\"", "crt.sh", ""),
        ("pwsh -c \"irm ('https://'+'crt'+'.sh')\"", "crt.sh", ""),
        ("pwsh -c \"irm ('https://{0}.{1}/' -f 'crt','sh')\"", "crt.sh", ""),
        ("pwsh -c 'curl.exe -s https://crt.sh/'", "crt.sh", ""),
        ("pwsh -c 'Write-Host crt.sh'", "", ""),
        ("pwsh -c 'Get-Content crt.sh.txt'", "", ""),
        ("pwsh -EncodedCommand aQB3AHIAIABoAHQAdABwAHMAOgAvAC8AYwByAHQALgBzAGgALwA=", "crt.sh", ""),
        ("pwsh -enc aQB3AHIAIABoAHQAdABwAHMAOgAvAC8AYwByAHQALgBzAGgALwA=", "crt.sh", ""),
        ("powershell -nop -w hidden -e aQB3AHIAIABoAHQAdABwAHMAOgAvAC8AYwByAHQALgBzAGgALwA=", "crt.sh", ""),
        ("powershell iwr https://crt.sh/", "crt.sh", ""),
        ("powershell -ep bypass -File x.ps1 https://crt.sh/", "crt.sh", ""),
        ("nu -c 'http get https://crt.sh/'", "crt.sh", ""),
        ("Rscript -e 'readLines(url(\"https://crt.sh/\"))'", "crt.sh", ""),
        ("awk 'BEGIN{system(\"curl https://crt.sh/\")}'", "crt.sh", ""),
    ]);
}

#[rustfmt::skip]
#[test]
fn tools_ask_about_the_targets_of_their_options() {
    check(&[
        ("sslscan example.com", "example.com", "example.com"),
        ("sslscan --no-colour example.com:8443", "example.com", "example.com"),
        ("sslscan --xml=out.xml --targets=targets.txt", "", ""),
        ("testssl.sh --quiet --jsonfile out.json example.com", "example.com", "example.com"),
        ("testssl.sh https://example.com/login", "example.com", "example.com"),
        ("testssl -t smtp mail.example.com:25", "mail.example.com", "mail.example.com"),
        ("testssl --file hosts.txt", "", ""),
        ("sslyze --regular example.com:443 example.org", "example.com example.org", "example.com example.org"),
        ("sslyze --json_out=out.json example.com", "example.com", "example.com"),
        ("sslyze --targets_in targets.txt", "", ""),
        ("tlsx -u example.com -san -cn", "example.com", "example.com"),
        ("tlsx -host example.com,example.org -o out.txt", "example.com example.org", "example.com example.org"),
        ("tlsx -u 192.0.2.0/24", "", "192.0.2.0/24"),
        ("tlsx -l targets.txt -json", "", ""),
        ("httpx -u example.com -tls-probe", "example.com", "example.com"),
        ("httpx https://example.com/", "example.com", "example.com"),
        ("zgrab2 tls -f targets.txt", "", ""),
        ("tls-scan --host=example.com --port=443", "example.com", "example.com"),
        ("nmap --script ssl-cert -p 443 example.com", "example.com", "example.com"),
        ("nmap -p443 -oA out --script=ssl-enum-ciphers 192.0.2.0/24 192.0.2.1-20", "192.0.2.1-20", "192.0.2.0/24 192.0.2.1-20"),
        ("nmap -iL targets.txt", "", ""),
        ("nmap -sV scanme.example.com -oX out.xml", "scanme.example.com", "scanme.example.com"),
        ("nuclei -u https://example.com -tags ssl", "example.com", "example.com"),
        ("nuclei -l list.txt -t ssl/", "", ""),
        ("subfinder -d example.com -silent", "", "example.com"),
        ("subfinder -d example.com,example.org -o out.txt", "", "example.com example.org"),
        ("subfinder -dL domains.txt", "", ""),
        ("amass enum -passive -d example.com", "", "example.com"),
        ("amass intel -active -cidr 192.0.2.0/24", "", "192.0.2.0/24"),
        ("assetfinder --subs-only example.com", "", "example.com"),
        ("findomain -t example.com -q", "", "example.com"),
        ("ctfr.py -d example.com -o out.txt", "", "example.com"),
        ("ctfr -d example.com", "", "example.com"),
        ("sublist3r -d example.com -o subs.txt", "", "example.com"),
        ("certgraph -depth 2 example.com", "example.com", "example.com"),
        ("theHarvester -d example.com -b crtsh", "", "example.com"),
        ("dnsrecon -d example.com -t crt", "", "example.com"),
        ("uncover -q 'ssl:\"example.com\"' -e shodan", "", "example.com"),
        ("shodan search ssl:example.com", "", "example.com"),
        ("shodan search ssl.cert.subject.cn:example.com", "", "example.com"),
        ("shodan domain example.com", "", "example.com"),
        ("shodan host 192.0.2.1", "", "192.0.2.1"),
        ("shodan init KEY", "", ""),
        ("censys search 'example.com'", "", "example.com"),
        ("censys search 'services.tls.certificates.leaf_data.names: example.com'", "", "example.com"),
        ("censys subdomains example.com", "", "example.com"),
        ("censys view 192.0.2.1", "", "192.0.2.1"),
        ("cfssl scan example.com", "example.com", "example.com"),
        ("cfssl certinfo -domain example.com", "example.com", "example.com"),
        ("cfssl certinfo -cert example.pem", "", ""),
        ("certigo connect example.com:443", "example.com", "example.com"),
        ("certigo dump example.com.pem", "", ""),
        ("step certificate inspect https://example.com", "example.com", "example.com"),
        ("step certificate inspect example.com.crt", "", ""),
        ("ssl-cert-check -s example.com -p 443", "example.com", "example.com"),
        ("check_ssl_cert -H example.com", "example.com", "example.com"),
        ("ssllabs-scan -grade example.com", "", "example.com"),
        ("cero 192.0.2.0/24", "", "192.0.2.0/24"),
        ("bbot -t example.com -m crt certspotter", "", "example.com"),
        ("./x --url https://crt.sh/?q=example.com", "crt.sh", "example.com"),
        ("renamed -s https://crt.sh/", "crt.sh", ""),
        ("renamed crt.sh.txt crt.sh/x", "", ""),
    ]);
}

#[test]
fn scripts_and_templates_are_named() {
    for (line, scripts) in [
        (
            "nmap --script ssl-cert,ssl-enum-ciphers h.example",
            "ssl-cert ssl-enum-ciphers",
        ),
        ("nmap --script='ssl-* and not brute' h.example", "ssl-* brute"),
        ("nmap -script ssl-cert h.example", "ssl-cert"),
        ("nuclei -u h.example -tags SSL,tls", "ssl tls"),
        ("nuclei -t ssl/detect.yaml", "ssl/detect.yaml"),
        ("theHarvester -d example.com -b crtsh,certspotter", "crtsh certspotter"),
        ("subfinder -d example.com -s crtsh", "crtsh"),
        ("dnsrecon -d example.com -t crt", "crt"),
        ("sslscan h.example", ""),
    ] {
        assert_eq!(read(line).scripts.join(" "), scripts, "{line}");
    }
}

#[rustfmt::skip]
#[test]
fn help_and_local_work_are_told_from_work() {
    let rows = [
        ("curl --version", Manner::Help), ("curl -V", Manner::Help), ("curl -h", Manner::Help), ("curl --help all", Manner::Help),
        ("curl --manual", Manner::Help), ("curl -sV", Manner::Help), ("curl https://crt.sh/", Manner::Works),
        ("wget --version", Manner::Help), ("wget -h", Manner::Help), ("wget -V", Manner::Help), ("wget crt.sh", Manner::Works),
        ("http --help", Manner::Help), ("http -h crt.sh", Manner::Works), ("aria2c --version", Manner::Help),
        ("psql -h crt.sh", Manner::Works), ("psql --help", Manner::Help), ("psql -V", Manner::Help), ("psql --version", Manner::Help),
        ("sslscan --help", Manner::Help), ("sslscan -h", Manner::Help), ("sslscan --version", Manner::Help),
        ("sslyze --help", Manner::Help), ("testssl.sh --version", Manner::Help), ("testssl.sh --help", Manner::Help),
        ("tlsx -version", Manner::Help), ("tlsx -h", Manner::Help), ("tls-scan -h example.com", Manner::Works),
        ("nmap -V", Manner::Help), ("nmap -h", Manner::Help), ("nmap --script-help ssl-cert", Manner::Help),
        ("nmap --version", Manner::Help), ("nmap -v h.example", Manner::Works), ("nuclei -tl", Manner::Help),
        ("nuclei -version", Manner::Help), ("nuclei -u h.example", Manner::Works), ("nikto -h h.example", Manner::Works),
        ("subfinder -h", Manner::Help), ("subfinder -ls", Manner::Help), ("openssl version", Manner::Help), ("openssl help", Manner::Help),
        ("openssl s_client -help", Manner::Help), ("openssl s_client -connect h.example:443", Manner::Works),
        ("openssl x509 -in a.pem -noout", Manner::Local), ("openssl req -new -key a.key", Manner::Local),
        ("openssl verify -CAfile ca.pem a.pem", Manner::Local), ("openssl enc -d -in a", Manner::Local),
        ("openssl dgst -sha256 a", Manner::Local), ("openssl pkcs12 -in a.p12", Manner::Local), ("openssl crl -in a.crl", Manner::Local),
        ("openssl asn1parse -in a.pem", Manner::Local), ("openssl genrsa 2048", Manner::Local), ("openssl ocsp -respin a", Manner::Local),
        ("openssl ocsp -url http://ocsp.example/", Manner::Works), ("openssl x509 -help", Manner::Help),
        ("keytool -printcert -file a.pem", Manner::Local), ("keytool -list -keystore a.jks", Manner::Local),
        ("keytool -printcert -sslserver h.example", Manner::Works), ("keytool -help", Manner::Help),
        ("certutil -L -d sql:.", Manner::Local), ("certutil -store my", Manner::Local), ("certutil -H", Manner::Help),
        ("certutil -urlcache -split -f https://crt.sh/ out", Manner::Works), ("certtool --generate-privkey", Manner::Local),
        ("gnutls-cli --version", Manner::Help), ("gnutls-cli --list", Manner::Help), ("ncat --help", Manner::Help), ("socat -V", Manner::Help),
        ("python3 --version", Manner::Help), ("python3 -V", Manner::Help), ("python3 -c pass", Manner::Works),
        ("node -v", Manner::Help), ("perl -v", Manner::Help), ("pwsh -Version", Manner::Help), ("pwsh -?", Manner::Help),
        ("powershell -Version 2 -c x", Manner::Works), ("cfssl certinfo -cert a.pem", Manner::Works), ("cfssl gencert a.json", Manner::Local),
        ("shodan --help", Manner::Help), ("censys --version", Manner::Help), ("echo https://crt.sh/", Manner::Local),
        ("grep crt.sh log", Manner::Local), ("unheard-of --version", Manner::Help), ("unheard-of x", Manner::Works),
        ("docker pull x", Manner::Works), ("chromium --version", Manner::Help), ("amass -h", Manner::Help), ("bbot -l", Manner::Help),
    ];
    let wrong: Vec<_> =
        rows.iter().map(|(line, manner)| (line, read(line).manner, manner)).filter(|(_, found, manner)| found != *manner).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[rustfmt::skip]
#[test]
fn what_is_known_of_the_standard_input_is_read() {
    let rows = [
        ("curl -K -", "url = \"https://crt.sh/?q=example.com\"\n", "crt.sh", "example.com"),
        ("curl -K -", "# c\nurl=crt.sh\nheader = \"Host: a.example\"\n", "a.example crt.sh", ""),
        ("curl --config /dev/stdin", "--url https://crt.sh/\n-o crt.txt\n", "crt.sh", ""),
        ("curl -K -", "-H \"Host: crt.sh\"\nurl 192.0.2.1", "crt.sh 192.0.2.1", ""),
        ("curl -K file", "url = crt.sh", "", ""),
        ("curl --url @-", "https://crt.sh/\nhttps://a.example/\n", "crt.sh a.example", ""),
        ("wget -i -", "https://crt.sh/\ncrt.example/x\n", "crt.sh crt.example", ""),
        ("wget -qi- -O-", "https://crt.sh/\n", "crt.sh", ""),
        ("openssl s_client -connect 192.0.2.1:443", "GET /?q=example.com HTTP/1.1\r\nHost: crt.sh\r\n\r\n", "192.0.2.1 crt.sh", "192.0.2.1 example.com"),
        ("ncat --ssl 192.0.2.1 443", "GET / HTTP/1.1\nHost: crt.sh\n\n", "192.0.2.1 crt.sh", ""),
        ("openssl", "s_client -connect example.com:443\n", "example.com", "example.com"),
        ("tlsx -san", "example.com\nexample.org\n", "example.com example.org", "example.com example.org"),
        ("zgrab2 tls", "192.0.2.1,example.com\n", "192.0.2.1 example.com", "192.0.2.1 example.com"),
        ("subfinder", "example.com\n", "", "example.com"),
        ("python3", "import requests\nrequests.get('https://crt.sh/?q=example.com')", "crt.sh", "example.com"),
        ("python3 -", "import requests\nrequests.get('https://crt.sh/')", "crt.sh", ""),
        ("node", "fetch('https://crt.sh/')", "crt.sh", ""),
        ("pwsh -Command -", "irm https://crt.sh/", "crt.sh", ""),
        ("psql -h crt.sh certwatch", "select 1 where a like '%.example.com'", "crt.sh", "example.com"),
        ("psql", "\\c certwatch guest crt.sh 5432\n", "crt.sh", ""),
        ("bash", "exec 3<>/dev/tcp/crt.sh/443", "crt.sh", ""),
    ];
    for (line, stdin, hosts, targets) in rows {
        let found = read_with(line, Some(stdin));
        assert_eq!((found.hosts.join(" "), found.targets.join(" ")), (hosts.to_owned(), targets.to_owned()), "{line} < {stdin:?}");
    }
}

#[test]
fn the_code_of_interpreters_is_handed_on_decoded() {
    for (line, code) in [
        ("python3 -c 'print(1)' x", "print(1)"),
        ("perl -e 'a;' -e 'b;'", "a;\nb;"),
        ("pwsh -c Get-Date -Format o", "Get-Date -Format o"),
        ("pwsh -enc aQB3AHIA", "iwr"),
        ("deno eval 'x()'", "x()"),
        ("node --eval=1", "1"),
        ("gawk '{print}' file", "{print}"),
    ] {
        assert_eq!(
            read(line).code.as_deref().map(String::from_utf8_lossy).as_deref(),
            Some(code),
            "{line}"
        );
    }
    assert_eq!(read("python3 x.py").code, None);
}

#[test]
fn an_unknown_part_stays_unknown() {
    for (word, hosts) in [
        (&b"https://\0.crt.sh/"[..], "\0.crt.sh"),
        (b"https://crt.sh\0", "crt.sh"),
        (b"https://crt.sh/\0", "crt.sh"),
        (b"\0", ""),
        (b"https://crt%00.sh/", ""),
    ] {
        let command = Command {
            programs: vec!["curl".to_owned()],
            args: vec![Word::borrowed(word)],
            stdin: None,
            via: Vec::new(),
        };
        let found = requests::of(&command, &mut Budget::new(word.len()));
        assert_eq!(found.hosts.join(" "), hosts, "{}", word.escape_ascii());
    }
}
