//! The forms that a record can be given. Each is made once a record, whoever wants it.

use std::sync::Arc;

use super::{
    ecs, journal, json, line, ocsf, otlp,
    output::Line,
    screen::{self, Screen},
    syslog,
};
use crate::record::Record;

/// What an output takes: a record's bytes follow from record, host name and form alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One line for people.
    Text {
        /// With escape sequences that colour it.
        colour: bool,
    },
    /// For a terminal: columns, cut to its width.
    Screen(Screen),
    /// One JSON object a line.
    Json(Schema),
    /// An entry of the journal.
    Journal,
    /// A line of the queue of log records.
    Otlp,
    /// A message of syslog.
    Syslog {
        /// Bytes of a message at most.
        limit: usize,
    },
}

impl Form {
    /// Whether it is one for people.
    #[must_use]
    pub fn is_text(self) -> bool {
        matches!(self, Self::Text { .. } | Self::Screen(_))
    }

    /// The same for a terminal that has become so wide.
    #[must_use]
    pub fn at_width(self, width: u16) -> Self {
        match self {
            Self::Screen(screen) if screen.width != Screen::ENDLESS => Self::Screen(Screen { width, ..screen }),
            form => form,
        }
    }
}

/// Whose names the fields of JSON have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Schema {
    /// cert-recon's own, which are those of Microsoft's DeviceProcessEvents.
    #[default]
    Defender,
    /// Elastic Common Schema.
    Ecs,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
}

impl Schema {
    /// Every schema.
    pub const ALL: [Self; 3] = [Self::Defender, Self::Ecs, Self::Ocsf];

    /// The name in options.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Defender => "defender",
            Self::Ecs => "ecs",
            Self::Ocsf => "ocsf",
        }
    }
}

impl std::str::FromStr for Schema {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|schema| schema.as_str() == name);
        found.ok_or_else(|| format!("there are: {}", Self::ALL.map(Self::as_str).join(", ")))
    }
}

/// The forms of one record.
#[derive(Debug)]
pub struct Forms<'r> {
    record: &'r Record,
    device: &'r str,
    made: Vec<(Form, Line)>,
}

impl<'r> Forms<'r> {
    /// None is made until it is asked for. `device` is the host's name.
    #[must_use]
    pub fn new(record: &'r Record, device: &'r str) -> Self {
        Self {
            record,
            device,
            made: Vec::new(),
        }
    }

    /// The record in this form.
    pub fn get(&mut self, form: Form) -> Line {
        if let Some((_, line)) = self.made.iter().find(|(made, _)| *made == form) {
            return Arc::clone(line);
        }
        let line = Arc::new(self.make(form));
        self.made.push((form, Arc::clone(&line)));
        line
    }

    fn make(&mut self, form: Form) -> Vec<u8> {
        match form {
            Form::Text { colour } => line::line(self.record, colour),
            Form::Screen(screen) => screen::text(self.record, screen),
            Form::Json(Schema::Defender) => json::line(self.record, self.device),
            Form::Json(Schema::Ecs) => ecs::line(self.record, &self.own()),
            Form::Json(Schema::Ocsf) => ocsf::line(self.record, &self.own()),
            Form::Journal => journal::entry(self.record, &self.own()),
            Form::Otlp => otlp::convert::line(self.record, &self.own()),
            Form::Syslog { limit } => syslog::message(self.record, self.device, &self.own(), limit),
        }
    }

    /// What the other forms are made of.
    fn own(&mut self) -> Line {
        self.get(Form::Json(Schema::Defender))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{
        event::{Argv, Exec},
        finding::Report,
    };

    #[test]
    fn a_form_is_made_once_however_many_want_it() {
        let exec = Exec::new(SystemTime::UNIX_EPOCH, Argv::whole(b"a\0"));
        let record = Record::Exec(Box::new(Report::new(&exec, None)));
        let mut forms = Forms::new(&record, "host");
        let first = forms.get(Form::Json(Schema::Defender));
        assert!(Arc::ptr_eq(&first, &forms.get(Form::Json(Schema::Defender))));
        assert_eq!(*first, json::line(&record, "host"));
        assert_eq!(*forms.get(Form::Text { colour: false }), line::line(&record, false));
    }
}
