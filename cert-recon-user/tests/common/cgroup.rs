//! Cgroups of the test's own, below whatever hierarchies this machine has.

use std::{
    ffi::CString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{sys, temp::Temp};

/// The hierarchies that reports tell of: that of version 2, and of version 1 the one of the pids controller.
pub(crate) struct Hierarchies {
    pub(crate) v2: Option<PathBuf>,
    pub(crate) v1: Option<PathBuf>,
    mounted: Vec<PathBuf>,
    /// What was mounted here is within it.
    temp: Temp,
}

impl Hierarchies {
    /// Those that are mounted; both for the time of the test where none is (a machine without a service manager).
    pub(crate) fn find() -> Self {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let find = |wanted: &dyn Fn(&str, &str) -> bool| {
            mounts.lines().find_map(|line| {
                let mut fields = line.split(' ').skip(1);
                let (path, kind, options) = (fields.next()?, fields.next()?, fields.next()?);
                (wanted(kind, options) && Path::new(path).join("cgroup.procs").exists()).then(|| PathBuf::from(path))
            })
        };
        let mut found = Self {
            v2: find(&|kind, _| kind == "cgroup2"),
            v1: find(&|kind, options| kind == "cgroup" && options.split(',').any(|option| option == "pids")),
            mounted: Vec::new(),
            temp: Temp::new(),
        };
        if found.v2.is_none() && found.v1.is_none() {
            found.v2 = found.mount("v2", c"cgroup2", c"");
            found.v1 = found.mount("v1", c"cgroup", c"pids");
        }
        found
    }

    fn mount(&mut self, name: &str, kind: &std::ffi::CStr, data: &std::ffi::CStr) -> Option<PathBuf> {
        let path = self.temp.folder(name);
        match sys::mount(&path, kind, data) {
            Ok(()) => {
                self.mounted.push(path.clone());
                Some(path)
            }
            Err(error) => {
                println!("no cgroups ({kind:?} {data:?}): {error}");
                None
            }
        }
    }
}

impl Drop for Hierarchies {
    fn drop(&mut self) {
        for path in &self.mounted {
            // What stays mounted is untidy, no failure.
            let _ = sys::unmount(path);
        }
    }
}

/// A cgroup. What of it was not there before is removed when it is dropped; its processes have ended then.
pub(crate) struct Cgroup {
    procs: CString,
    made: Vec<PathBuf>,
}

impl Cgroup {
    /// Makes the cgroup with this path, which begins with a slash.
    pub(crate) fn make(root: &Path, path: &str) -> io::Result<Self> {
        let mut made = Vec::new();
        let mut folder = root.to_owned();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            folder.push(name);
            match fs::create_dir(&folder) {
                Ok(()) => made.push(folder.clone()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    drop(Self {
                        procs: CString::default(),
                        made,
                    });
                    return Err(error);
                }
            }
        }
        Ok(Self {
            procs: sys::c_path(folder.join("cgroup.procs")),
            made,
        })
    }

    /// What a process does to be in it.
    pub(crate) fn enter(&self) -> impl FnMut() -> io::Result<()> + Send + Sync + 'static {
        let procs = self.procs.clone();
        move || sys::child_write(&procs, b"0")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            // A process that has just ended may still count.
            if !super::eventually(|| fs::remove_dir(folder).is_ok() || !folder.exists()) {
                eprintln!("{} stays", folder.display());
            }
        }
    }
}
