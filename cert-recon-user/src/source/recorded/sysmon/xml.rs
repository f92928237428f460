//! The XML of one event.
//!
//! Owns how the fields are found in it; what they mean is its parent's matter.

use std::borrow::Cow;

use quick_xml::{Reader, escape::resolve_predefined_entity, events::Event};

/// The fields that are read, by their names.
const NAMES: [&str; 14] = [
    "UtcTime",
    "ProcessId",
    "Image",
    "CommandLine",
    "CurrentDirectory",
    "User",
    "LogonId",
    "TerminalSessionId",
    "Hashes",
    "ParentProcessId",
    "ParentImage",
    "ParentCommandLine",
    "Computer",
    "EventID",
];

/// An event.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    values: [Option<Cow<'a, str>>; NAMES.len()],
    /// `SystemTime` of `TimeCreated`.
    pub(super) created: Option<Cow<'a, str>>,
    /// `Name` of `Provider`.
    pub(super) provider: Option<Cow<'a, str>>,
    /// The field that was being read when the text ended.
    open: Option<usize>,
    /// Why it ended early.
    pub(super) fault: Option<String>,
}

impl<'a> Fields<'a> {
    /// Reads an event, or as much of it as is there.
    pub(super) fn parse(xml: &'a str) -> Self {
        let mut fields = Self::default();
        let mut reader = Reader::from_str(xml);
        reader.config_mut().allow_dangling_amp = true;
        let mut ended = false;
        while !ended {
            match reader.read_event() {
                Ok(event) => ended = fields.take(event),
                Err(error) => {
                    fields.fault = Some(error.to_string());
                    return fields;
                }
            }
        }
        fields
    }

    /// Whether the event has ended.
    fn take(&mut self, event: Event<'a>) -> bool {
        match event {
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "TimeCreated" => {
                self.created = attribute(&tag, "SystemTime");
            }
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "Provider" => {
                self.provider = attribute(&tag, "Name");
            }
            Event::Start(tag) => {
                let name = tag.local_name();
                self.open = match name.as_ref() {
                    "Data" => attribute(&tag, "Name").and_then(|name| index(&name)),
                    name @ ("Computer" | "EventID") => index(name),
                    _ => None,
                };
            }
            Event::Text(text) => self.append(text.into_inner()),
            Event::CData(text) => self.append(text.into_inner()),
            Event::GeneralRef(reference) => {
                let text = match reference.resolve_char_ref() {
                    Ok(Some(c)) => Cow::Owned(c.to_string()),
                    _ => match resolve_predefined_entity(&reference) {
                        Some(text) => Cow::Borrowed(text),
                        None => Cow::Owned(format!("&{};", &*reference)),
                    },
                };
                self.append(text);
            }
            Event::End(tag) => {
                self.open = None;
                return tag.local_name().as_ref() == "Event";
            }
            Event::Eof => {
                self.fault = Some("it ends early".to_owned());
                return true;
            }
            _ => {}
        }
        false
    }

    fn append(&mut self, more: Cow<'a, str>) {
        let Some(slot) = self.open.and_then(|open| self.values.get_mut(open)) else {
            return;
        };
        match slot {
            Some(value) => value.to_mut().push_str(&more),
            None => *slot = Some(more),
        }
    }

    /// The value of a field; none when it is not there, or says that it is not known.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(index(name)?)?.as_deref()?;
        (!value.is_empty() && value != "-").then_some(value)
    }

    /// Whether the text ended in this field.
    pub(super) fn is_cut(&self, name: &str) -> bool {
        self.fault.is_some() && self.open.is_some() && self.open == index(name)
    }
}

fn index(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

fn attribute<'a>(tag: &quick_xml::events::BytesStart<'_>, name: &str) -> Option<Cow<'a, str>> {
    let value = tag.try_get_attribute(name).ok()??.value;
    Some(Cow::Owned(value.into_owned()))
}
