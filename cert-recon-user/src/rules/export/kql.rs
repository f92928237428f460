//! The Microsoft Sentinel query, with what users added to its lists.

use std::collections::BTreeMap;

use crate::rules::compiler::merged_lists;
use crate::rules::error::EngineError;
use crate::rules::pack::Pack;

/// The query that pack `kql` is: the tests hold the two together.
const QUERY: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/kql-query.kql"));

/// Each list of the pack, and the text in the query behind which its further terms go.
const PLACES: &[(&str, &str)] = &[
    ("ct_services", "\"ssltools.com\", \"sslmate.com\""),
    ("enum_tools", "\"tlsprobe\", \"zgrab\", \"zgrab2\", \"ctfr\""),
    ("web_clients", "\"curl.exe\", \"curl\", \"wget\", \"wget.exe\""),
    ("powershell", "\"powershell.exe\", \"pwsh.exe\""),
    ("python", "\"python.exe\", \"python3\", \"python3.exe\", \"python\""),
    ("openssl", "\"openssl\", \"openssl.exe\""),
    // The query has the two in one list.
    (
        "openssl_remote_args",
        "\"s_client\", \"x509\", \"-connect\", \"verify\"",
    ),
    ("openssl_local_args", "\"s_client\", \"x509\", \"-connect\", \"verify\""),
    (
        "certutil_args",
        "\"-dump\", \"-verify\", \"-store\", \"-URL\", \"-urlcache\"",
    ),
];

/// The query; exactly its own text when nothing extends the lists of pack `kql`. `None` when that pack is not there.
///
/// # Errors
///
/// Packs that cannot work together, as for [`Engine::new`](crate::rules::Engine::new).
pub fn kql_query(packs: &[Pack]) -> Result<Option<String>, EngineError> {
    let Some(index) = packs.iter().position(|pack| pack.name == "kql") else {
        return Ok(None);
    };
    let merged = merged_lists(packs)?;
    let own = &packs[index].lists;
    let mut added: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (list, terms) in &merged[index] {
        let known = own.get(*list).map_or(0, Vec::len);
        let terms = terms.iter().skip(known).map(|term| quoted(term)).collect();
        added.insert(list, terms);
    }
    let mut query = QUERY.to_owned();
    let mut behind: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (list, place) in PLACES {
        behind
            .entry(place)
            .or_default()
            .extend(added.remove(list).unwrap_or_default());
    }
    for (place, terms) in behind.iter().filter(|(_, terms)| !terms.is_empty()) {
        query = query.replace(place, &format!("{place}, {}", terms.join(", ")));
    }
    if let Some(terms) = added.remove("certutil").filter(|terms| !terms.is_empty()) {
        let one = "FileName =~ \"certutil.exe\"";
        let several = format!("FileName in~ (\"certutil.exe\", {})", terms.join(", "));
        query = query.replace(one, &several);
    }
    Ok(Some(query))
}

/// A string literal of KQL.
fn quoted(term: &str) -> String {
    let mut text = String::from("\"");
    for letter in term.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            letter if letter.is_control() => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::{PLACES, QUERY, kql_query};
    use crate::rules::{BUILTIN_PACKS, Pack};

    fn kql() -> Pack {
        BUILTIN_PACKS[0].parse().unwrap()
    }

    fn site(table: &str) -> Pack {
        Pack::parse(
            "site",
            &format!("pack = \"site\"\nversion = 1\ndescription = \"x\"\n{table}"),
        )
        .unwrap()
    }

    #[test]
    fn without_additions_it_is_the_query_byte_for_byte() {
        assert_eq!(kql_query(&[kql()]).unwrap().unwrap(), QUERY);
        assert_eq!(kql_query(&[]).unwrap(), None);
    }

    #[test]
    fn every_list_of_the_pack_has_its_place_in_the_query() {
        for list in kql().lists.keys().filter(|list| *list != "certutil") {
            let (_, place) = PLACES.iter().find(|(name, _)| name == list).unwrap();
            assert!(QUERY.contains(place), "{list}");
        }
        assert_eq!(QUERY.matches("FileName =~ \"certutil.exe\"").count(), 2);
    }

    #[test]
    fn terms_of_users_stand_behind_those_of_the_query() {
        let site =
            site("[extend.kql]\nct_services = [\"ct.corp.example\"]\nopenssl = [\"ossl\"]\ncertutil = [\"cu\\\"x\"]");
        let query = kql_query(&[kql(), site]).unwrap().unwrap();
        assert!(query.contains("\"ssltools.com\", \"sslmate.com\", \"ct.corp.example\"\n]);"));
        assert_eq!(
            query.matches("(\"openssl\", \"openssl.exe\", \"ossl\")").count(),
            2,
            "where and case"
        );
        assert_eq!(query.matches(r#"FileName in~ ("certutil.exe", "cu\"x")"#).count(), 2);
    }
}
