//! The table of tools that scan certificates or search for them: which of their options name targets, take other values, name
//! scripts. To add a tool, add a line. Options are written as on the command line; a Go flag (`-host`) is also known with two dashes.

/// What the operands of a tool are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operands {
    /// Nothing of interest.
    None,
    /// Hosts, domains, networks.
    Targets,
    /// Targets, when the first operand is one of these commands; another command works on local files. Without a list every
    /// first operand is a command.
    After(&'static [&'static str]),
    /// Search expressions, behind a command or not.
    Search(&'static [&'static str]),
    /// URLs with a scheme; anything else is a file.
    Urls,
}

/// A tool, by what its arguments mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tool {
    /// Its names.
    pub(super) names: &'static [&'static str],
    /// Options whose value is a target.
    pub(super) targets: &'static [&'static str],
    /// Options whose value is something else.
    pub(super) values: &'static [&'static str],
    /// Options whose value names scripts, templates, modules or sources.
    pub(super) scripts: &'static [&'static str],
    /// Options that print help or lists, beyond the usual ones.
    pub(super) help: &'static [&'static str],
    /// What operands are.
    pub(super) operands: Operands,
    /// It reads targets from its standard input.
    pub(super) stdin: bool,
    /// It connects to its targets; else it asks others about them.
    pub(super) asks: bool,
}

/// Connects to the targets that are its operands.
const SCANNER: Tool = Tool {
    names: &[],
    targets: &[],
    values: &[],
    scripts: &[],
    help: &[],
    operands: Operands::Targets,
    stdin: false,
    asks: true,
};

/// Asks services about the domains that it is given.
const SEARCHER: Tool = Tool {
    targets: &["-d", "--domain", "-domain"],
    operands: Operands::None,
    stdin: true,
    asks: false,
    ..SCANNER
};

#[rustfmt::skip]
const GO_OUTPUT: &[&str] = &[
    "-o", "-output", "-l", "-list", "-dL", "-t", "-threads", "-c", "-concurrency", "-rl", "-rate-limit", "-timeout", "-config", "-pc",
    "-provider-config", "-proxy", "-r", "-rL", "-resolvers", "-s", "-sources", "-es", "-exclude-sources", "-p", "-port", "-ports",
    "-max-time", "-retry", "-retries", "-H", "-header", "-delay", "-min-version", "-max-version", "-cipher-input", "-sni", "-cert",
    "-key", "-cacert", "-ca", "-scan-mode", "-sm", "-iv", "-ip-version", "-m", "-match", "-f", "-filter", "-oD", "-output-dir", "-mc",
    "-fc", "-ms", "-fs", "-path", "-x", "-tlsi", "-srd", "-store-response-dir", "-ztls", "-w", "-wordlist", "-exclude", "-e",
];

/// The tools.
#[rustfmt::skip]
pub(super) const TOOLS: &[Tool] = &[
    // Scanners of TLS
    Tool { names: &["sslscan", "sslscan2"], targets: &["--sni-name"], values: &["--targets", "--xml", "--pk", "--pkpass", "--certs", "--connect-timeout", "--timeout", "--sleep"], ..SCANNER },
    Tool {
        names: &["testssl", "testssl.sh"],
        targets: &["--mx"],
        values: &[
            "--ip", "--connect-timeout", "--openssl-timeout", "--openssl", "-t", "--starttls", "--xmpphost", "--file", "-iL", "--mode",
            "--warnings", "--logfile", "-oL", "--jsonfile", "-oj", "--jsonfile-pretty", "-oJ", "--csvfile", "-oC", "-oc", "--htmlfile",
            "-oH", "-oh", "--outfile", "-oA", "-oa", "--outFile", "--outprefix", "--proxy", "--color", "--severity", "--debug", "-x",
            "--single-cipher", "--nodns", "--basicauth", "--reqheader", "--user-agent", "--mtls", "--add-ca", "--cloudflare-dns",
            "--colorblind-mode", "--mapping", "--socket-timeout", "--max-parallel",
        ],
        help: &["-b", "--banner", "-v"],
        ..SCANNER
    },
    Tool { names: &["sslyze"], targets: &[], values: &["--targets_in", "--json_out", "--cert", "--key", "--keyform", "--pass", "--starttls", "--xmpp_to", "--sni", "--https_tunnel", "--certinfo_ca_file", "--mozilla_config", "--custom_tls_config"], ..SCANNER },
    Tool { names: &["tlsx"], targets: &["-u", "-host"], values: GO_OUTPUT, operands: Operands::Targets, stdin: true, ..SCANNER },
    Tool { names: &["httpx", "httpx-toolkit", "httprobe"], targets: &["-u", "-target"], values: GO_OUTPUT, operands: Operands::Urls, stdin: true, ..SCANNER },
    Tool { names: &["zgrab2", "zgrab"], values: &["-f", "--input-file", "-o", "--output-file", "-p", "--port", "-t", "--timeout", "-s", "--senders", "-n", "--name", "--endpoint", "-c", "--config-file", "-l", "--log-file", "-m", "--metadata-file", "--max-redirects", "--user-agent", "--server-name", "-i", "--interface", "-b", "--blocklist-file"], operands: Operands::None, stdin: true, ..SCANNER },
    Tool { names: &["tls-scan"], targets: &["--host", "-h"], values: &["--port", "-p", "--infile", "-f", "--outfile", "-o", "--concurrency", "-b", "--cacert", "-c", "--ciphers", "-C", "--sni", "-N", "--timeout", "-t", "--starttls", "-s"], stdin: true, ..SCANNER },
    Tool { names: &["cipherscan", "analyze", "sslcan", "tlsscan", "ssltest", "cryptonice", "jarm", "jarm.py", "certinfo", "cert-info", "pshtt", "tls-observatory", "tlsobs", "tls-cert", "check-tls", "tlscheck", "ssl-enum"], values: &["-o", "-p", "--port", "-starttls", "-servername", "-i", "-t", "-certid"], ..SCANNER },
    Tool { names: &["o-saft", "o-saft.pl", "o-saft.tcl", "osaft"], values: &["--proxyhost", "--proxyport", "--sni-name", "--port"], help: &["--help", "+version", "+quit"], ..SCANNER },
    Tool { names: &["pysslscan"], values: &["--scan", "--report", "--handler", "--module"], operands: Operands::After(&["scan"]), ..SCANNER },
    Tool { names: &["ssllabs-scan", "ssllabs-scan-v3", "ssllabs-scan-v4", "ssllabs", "sslabs"], values: &["-hostfile", "-api", "-verbosity", "-quota", "-email"], asks: false, ..SCANNER },
    Tool { names: &["a2sv", "a2sv.py"], targets: &["-t", "--target"], values: &["-p", "--port", "-m", "--module", "-o", "--out", "-tf", "--targetfile", "-d", "--display"], ..SCANNER },
    Tool { names: &["tls-scanner", "tls-server-scanner", "tls-attacker"], targets: &["-connect"], values: &["-threads", "-timeout", "-reportDetail", "-scanDetail"], ..SCANNER },
    Tool { names: &["ssl-cert-check", "sslcertcheck"], targets: &["-s"], values: &["-p", "-e", "-f", "-x", "-c", "-k", "-t", "-d", "-E"], operands: Operands::None, help: &["-V", "-h"], ..SCANNER },
    Tool { names: &["check_ssl_cert", "check-ssl-cert", "check_http", "check_tcp", "check_ssl_validity"], targets: &["-H", "--host", "-I", "--hostname", "--resolve"], values: &["-p", "--port", "-c", "-w", "-n", "--cn", "-f", "--file", "-P", "--protocol", "-t", "--timeout", "-C", "--certificate", "-u", "--url", "--sni", "-r", "--rootcert", "-C"], operands: Operands::None, ..SCANNER },
    Tool { names: &["certigo"], values: &["--port", "--name", "--ca", "--cert", "--key", "--proxy", "--start-tls", "--timeout", "--identity", "--expected-name", "-f", "--format", "-t", "-n", "-p"], operands: Operands::After(&["connect"]), ..SCANNER },
    Tool { names: &["cfssl", "cfssl-scan"], targets: &["-domain"], values: &["-config", "-family", "-scanner", "-timeout", "-num-workers", "-csv", "-ip", "-ca-bundle", "-cert", "-csr", "-key"], operands: Operands::After(&["scan", "certinfo", "bundle"]), ..SCANNER },
    Tool { names: &["step", "step-cli"], values: &["--roots", "--servername", "--format"], operands: Operands::Urls, ..SCANNER },
    Tool { names: &["danetool"], targets: &["--check"], values: &["--port", "--app-proto", "--starttls-proto", "--host", "--load-certificate", "--outfile", "--dlv", "--proto"], operands: Operands::None, ..SCANNER },
    Tool { names: &["ocsptool"], targets: &["--ask", "-a"], values: &["--load-cert", "--load-issuer", "--load-request", "--load-response", "--infile", "--outfile", "-j", "-i", "-S", "-Q"], operands: Operands::None, ..SCANNER },
    Tool { names: &["rustscan"], targets: &["-a", "--addresses"], values: &["-p", "--ports", "-r", "--range", "-b", "--batch-size", "-t", "--timeout", "-u", "--ulimit", "--scan-order"], operands: Operands::None, ..SCANNER },
    Tool { names: &["naabu", "dnsx", "katana", "cdncheck", "asnmap", "mapcidr", "alterx", "shuffledns", "aix"], targets: &["-host", "-d", "-domain", "-u"], values: GO_OUTPUT, operands: Operands::None, stdin: true, ..SCANNER },
    Tool { names: &["caduceus", "cero", "kaeferjaeger", "sslip", "certscan"], targets: &["-i"], values: &["-p", "-c", "-t", "-w"], stdin: true, ..SCANNER },
    Tool { names: &["ssldump", "tlsfuzzer", "tlspretense", "sslstrip"], operands: Operands::None, ..SCANNER },
    Tool {
        names: &["nmap", "masscan", "zmap", "unicornscan"],
        targets: &[],
        values: &[
            "-p", "-iL", "-iR", "-oN", "-oX", "-oG", "-oA", "-oS", "-oM", "-oJ", "-oL", "-oB", "-oD", "-e", "-S", "-D", "-g", "-b", "-sI", "-o",
            "--source-port", "--script-args", "--script-args-file", "--exclude", "--excludefile", "--dns-servers", "--max-retries",
            "--min-rate", "--max-rate", "--rate", "--top-ports", "--host-timeout", "--data", "--data-string", "--data-length", "--proxies",
            "--proxy", "--min-parallelism", "--max-parallelism", "--min-hostgroup", "--max-hostgroup", "--scan-delay", "--max-scan-delay",
            "--initial-rtt-timeout", "--min-rtt-timeout", "--max-rtt-timeout", "--stylesheet", "--datadir", "--servicedb", "--versiondb",
            "--port-ratio", "--version-intensity", "--ttl", "--ip-options", "--mtu", "--spoof-mac", "--scanflags", "--stats-every",
            "--resume", "--exclude-ports", "--adapter-ip", "--router-mac", "--shard", "--seed", "--max-os-tries", "--script-timeout", "-c",
            "--ports", "--conf", "--includefile", "-i", "-B", "-w", "-r", "--target-port", "--output-file",
        ],
        scripts: &["--script", "-script"],
        help: &["--script-help", "-script-help", "--script-updatedb", "--iflist", "--echo"],
        ..SCANNER
    },
    Tool {
        names: &["nuclei"],
        targets: &["-u", "-target"],
        values: &[
            "-l", "-list", "-o", "-output", "-s", "-severity", "-es", "-exclude-severity", "-c", "-concurrency", "-rl", "-rate-limit",
            "-bs", "-bulk-size", "-H", "-header", "-et", "-exclude-templates", "-etags", "-exclude-tags", "-eid", "-exclude-id", "-em",
            "-a", "-author", "-ept", "-exclude-type", "-p", "-proxy", "-config", "-tp", "-profile", "-V", "-var", "-r", "-resolvers", "-timeout",
            "-retries", "-me", "-markdown-export", "-je", "-json-export", "-jle", "-se", "-sarif-export", "-rc", "-report-config", "-rdb",
            "-store-resp-dir", "-srd", "-eh", "-exclude-hosts", "-resume", "-sa", "-iv", "-ip-version", "-elog", "-error-log", "-tlog",
            "-project-path", "-stats-interval", "-si", "-im", "-input-mode", "-sni", "-i", "-interface", "-mhe", "-hbs", "-hc", "-uc",
        ],
        scripts: &["-t", "-templates", "-tags", "-id", "-template-id", "-w", "-workflows", "-it", "-include-templates", "-itags", "-include-tags", "-pt", "-type", "-tu", "-template-url", "-turl"],
        help: &["-tl", "-tgl", "-td", "-version", "-ut", "-update-templates", "-up", "-update", "-validate"],
        operands: Operands::None,
        stdin: true,
        ..SCANNER
    },
    Tool { names: &["nikto", "nikto.pl", "whatweb", "wafw00f", "wapiti"], targets: &["-h", "-host", "--url", "-u"], values: &["-p", "-port", "-o", "-output", "-Format", "-Tuning", "-a", "--log-json"], ..SCANNER },
    // Searchers: certificate transparency, search engines, subdomains
    Tool { names: &["subfinder", "chaos", "chaos-client", "shrewdeye", "subdominator", "haktrails"], values: &["-o", "-output", "-dL", "-list", "-t", "-timeout", "-config", "-pc", "-provider-config", "-proxy", "-rl", "-rls", "-r", "-rL", "-es", "-exclude-sources", "-m", "-f", "-max-time", "-oD", "-output-dir", "-key"], scripts: &["-s", "-sources"], help: &["-ls", "-list-sources", "-version"], ..SEARCHER },
    Tool { names: &["amass", "oam_subs"], targets: &["-d", "-cidr", "-addr"], values: &["-df", "-o", "-oA", "-dir", "-config", "-timeout", "-w", "-wm", "-r", "-rf", "-tr", "-trf", "-p", "-org", "-json", "-log", "-max-depth", "-max-dns-queries", "-dns-qps", "-rqps", "-trqps", "-bl", "-blf", "-ef", "-if", "-iface", "-scripts", "-nf", "-aw", "-awm"], scripts: &["-include"], help: &["-list"], ..SEARCHER },
    Tool { names: &["assetfinder", "crtndstry", "crtsh", "crt.sh", "crtfinder", "crt", "crtsh.py", "crt_sh", "crtshquery", "crtsh-cli", "certcrunchy", "cert-finder", "subcert", "ctscan", "ct-search", "cert-graph"], targets: &["-d", "--domain", "-domain", "-q", "--query", "-s", "-n", "--name"], values: &["-o", "--output", "-f", "--format", "-t", "--timeout", "-l", "--limit"], operands: Operands::Targets, ..SEARCHER },
    Tool { names: &["findomain", "findomain-linux"], targets: &["-t", "--target"], values: &["-f", "--file", "-u", "--unique-output", "-c", "--config", "--resolvers", "--threads", "--exclude-sources", "--postgres-host", "--postgres-user", "-s", "--screenshots", "-w", "--wordlist"], ..SEARCHER },
    Tool { names: &["crobat", "crobat-client", "sonarsearch"], targets: &["-s", "-t", "-r"], values: &["-f"], ..SEARCHER },
    Tool { names: &["ctfr", "ctfr.py", "ct-exposer", "ct-exposer.py", "sublist3r", "sublist3r.py", "subscraper", "knockpy", "knock", "sudomy", "subenum", "onelistforall", "censys-subdomain-finder", "censys_subdomain_finder", "censys-subdomain-finder.py", "subbrute", "turbolist3r", "domained", "anubis", "photon", "dome", "dome.py", "subzy", "lepus", "lepus.py"], targets: &["-d", "--domain", "-t", "--target"], values: &["-o", "--output", "-p", "--ports", "-e", "--engines", "-w", "--wordlist", "-m"], operands: Operands::Targets, ..SEARCHER },
    Tool { names: &["certgraph"], values: &["-depth", "-timeout", "-driver", "-parallel", "-regex", "-save", "-serve", "-censys-appid", "-censys-secret"], operands: Operands::Targets, asks: true, ..SEARCHER },
    Tool { names: &["theharvester", "theharvester.py"], values: &["-l", "--limit", "-S", "--start", "-f", "--filename", "-e", "--dns-server", "-w", "--wordlist"], scripts: &["-b", "--source"], ..SEARCHER },
    Tool { names: &["dnsrecon", "dnsrecon.py"], values: &["-n", "-D", "-r", "-c", "-j", "-x", "--xml", "--db", "--threads", "--lifetime"], scripts: &["-t", "--type"], ..SEARCHER },
    Tool { names: &["dnsenum", "dnsenum.pl", "fierce", "dnsmap", "dmitry", "gau", "waybackurls", "puredns", "dnstwist"], targets: &["--domain", "-d"], values: &["--dnsserver", "--threads", "-f", "--file", "-o", "--output", "-p", "--wordlist", "--dns-servers", "--delay"], operands: Operands::Targets, ..SEARCHER },
    Tool { names: &["oneforall", "oneforall.py"], targets: &["--target"], values: &["--targets", "--brute", "--dns", "--req", "--port", "--alive", "--fmt", "--path"], ..SEARCHER },
    Tool { names: &["bbot"], targets: &["-t", "--targets"], values: &["-o", "--output-dir", "-n", "--name", "-c", "--config", "-w", "--whitelist", "-b", "--blacklist", "-em", "-ef", "-rf", "-om", "--output-modules"], scripts: &["-m", "--modules", "-f", "--flags", "-p", "--preset"], help: &["-l", "--list-modules", "-lf", "--list-flags", "-lp", "--list-presets", "-mh", "--module-help"], ..SEARCHER },
    Tool { names: &["spiderfoot", "sf", "sf.py", "spiderfoot-cli"], targets: &["-s"], values: &["-l", "-t", "-u", "-o", "-F", "-max-threads"], scripts: &["-m"], help: &["-M", "-T"], ..SEARCHER },
    Tool { names: &["recon-ng", "recon-cli"], targets: &[], values: &["-w", "-r", "-o", "-c", "-C", "-x"], scripts: &["-m"], help: &["-M"], ..SEARCHER },
    Tool { names: &["uncover"], targets: &["-q", "-query", "-s", "-shodan", "-cs", "-censys", "-ff", "-fofa", "-ht", "-hunter", "-qk", "-quake", "-ze", "-zoomeye", "-ne", "-netlas", "-cr", "-criminalip", "-p", "-publicwww"], values: &["-o", "-output", "-l", "-limit", "-f", "-field", "-config", "-pc", "-timeout", "-rl", "-rate-limit"], scripts: &["-e", "-engine"], ..SEARCHER },
    Tool { names: &["shodan"], targets: &[], values: &["--limit", "--fields", "--separator", "--format", "-O", "--filename", "--datadir", "-D"], operands: Operands::Search(&["search", "domain", "host", "count", "download", "stats", "stream", "scan", "alert", "parse", "info", "init", "myip", "convert", "data", "honeyscore", "org", "radar", "trends"]), ..SEARCHER },
    Tool { names: &["censys", "cencli"], targets: &[], values: &["--index-type", "--pages", "--per-page", "-o", "--output", "--fields", "--api-id", "--api-secret", "--virtual-hosts", "--sort", "-f", "--format"], operands: Operands::Search(&["search", "view", "subdomains", "account", "config", "aggregate", "asm", "censeye", "hnri", "history"]), ..SEARCHER },
    Tool { names: &["zoomeye", "fofa", "netlas", "onyphe", "binaryedge", "spyse", "hunter", "quake", "criminalip", "leakix", "securitytrails", "virustotal", "vt", "urlscan", "driftnet", "fofax", "fofa_viewer", "silentpush", "validin", "intelx", "circl", "pypssl", "passivessl", "fullhunt"], targets: &["-q", "--query", "-s", "-fs", "-d", "--domain"], values: &["-o", "--output", "-n", "--num", "-k", "--key", "--format", "-f", "--filter", "--limit", "--apikey"], operands: Operands::Search(&["search", "domain", "host", "ip", "count", "download", "stat", "init", "info", "scan", "summary", "datascan", "query", "subdomains"]), ..SEARCHER },
    Tool { names: &["metabigor"], values: &["-i", "-o", "-c", "-k"], operands: Operands::Search(&["cert", "net", "netd", "ip", "ipc", "related", "cve", "cdn"]), ..SEARCHER },
    Tool { names: &["certspotter", "sslmate", "certspotter-authorize", "cspotter"], values: &["-watchlist", "-logs", "-email", "-script", "-state_dir", "-config"], operands: Operands::Targets, ..SEARCHER },
    Tool { names: &["gungnir", "certstream", "certstream-server-go", "certstream-server", "ctail", "axeman", "ct-sans", "certslurp", "ctlog", "ctclient", "certificate-transparency-cli", "certwatcher", "certeagle", "certthreat", "certpatrol", "phishing_catcher", "catch_phishing", "sunlight", "ct-woodpecker", "ctutlz", "verify-scts", "ctloglists", "rxtls", "ct-fetch"], targets: &["-d", "--domain"], values: &["-r", "-o", "-out", "-f", "-j", "-c", "--config", "-b", "-n", "-u"], operands: Operands::Urls, asks: true, ..SEARCHER },
    Tool { names: &["domainhunter", "reconftw", "reconftw.sh", "sniper", "sn1per", "osmedeus", "subdomainizer", "lazyrecon", "bheh", "rengine", "sifter", "ars0n", "autorecon", "nrich", "smap", "asnlookup"], targets: &["-d", "-t", "--target"], values: &["-o", "-l", "-m", "-f"], ..SEARCHER },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_name_stands_in_two_lines_and_all_are_lower_case() {
        let mut seen = HashSet::new();
        for name in TOOLS.iter().flat_map(|tool| tool.names) {
            assert!(seen.insert(name), "{name} twice");
            assert_eq!(*name, name.to_ascii_lowercase());
        }
    }
}
