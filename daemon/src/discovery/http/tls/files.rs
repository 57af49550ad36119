//! The files, and what is made of them.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls::client::{Resumption, WantsClientCert};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, InconsistentKeys, RootCertStore};

use super::TlsSettings;

/// The longest file that is read, in bytes; the bundle of all roots of the web is a quarter of it.
const FILE_LEN_MAX: u64 = 1 << 20;

/// How many servers' sessions are kept: a resumed handshake is several times cheaper.
const SESSIONS_MAX: usize = 1024;

/// Which file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificates that are trusted.
    Ca,
    /// Our certificate.
    Certificate,
    /// Its key.
    Key,
}

/// Why TLS can't be set up like this: where, what, and what is allowed.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file can't be read.
    #[error("the {file} file {path:?} can't be read: {source}")]
    Unreadable {
        /// Which.
        file: TlsFile,
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is too long.
    #[error("the {file} file {path:?} is longer than {FILE_LEN_MAX} bytes")]
    TooLong {
        /// Which.
        file: TlsFile,
        /// Where.
        path: PathBuf,
    },
    /// The file hasn't what it should have.
    #[error("the {file} file {path:?} can't be used: {problem}; expected: {}", file.expected())]
    Unusable {
        /// Which.
        file: TlsFile,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Half of a new pair, perhaps.
    #[error("the client key {key:?} doesn't belong to the first certificate in {certificate:?}")]
    Mismatch {
        /// Where the certificate is.
        certificate: PathBuf,
        /// Where the key is.
        key: PathBuf,
    },
    /// One of the pair.
    #[error("there is a {given} file without a {missing} file; give both or none")]
    Half {
        /// What there is.
        given: TlsFile,
        /// What there isn't.
        missing: TlsFile,
    },
    /// The server's name isn't one.
    #[error("the server name {name:?} is neither a DNS name nor an IP address")]
    ServerName {
        /// As it was given.
        name: String,
    },
    /// The system trusts nobody.
    #[error("no CA file is set, and there is none of the system that can be used: {problem}")]
    NoSystemRoots {
        /// What is wrong.
        problem: String,
    },
}

impl TlsFile {
    fn expected(self) -> &'static str {
        match self {
            Self::Ca | Self::Certificate => "one PEM block \"CERTIFICATE\" or several",
            Self::Key => {
                "a PEM block \"PRIVATE KEY\", \"RSA PRIVATE KEY\" or \"EC PRIVATE KEY\", \
                 not encrypted"
            }
        }
    }
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ca => "CA",
            Self::Certificate => "client certificate",
            Self::Key => "client key",
        })
    }
}

/// What is in the files that are set.
#[derive(PartialEq, Eq)]
pub(super) struct Files {
    ca: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl fmt::Debug for Files {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files").finish_non_exhaustive()
    }
}

impl Files {
    pub(super) fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        let read = |file, path: &Option<PathBuf>| {
            path.as_deref().map(|path| read_file(file, path)).transpose()
        };
        Ok(Self {
            ca: read(TlsFile::Ca, &settings.ca)?,
            certificate: read(TlsFile::Certificate, &settings.certificate)?,
            key: read(TlsFile::Key, &settings.key)?,
        })
    }

    /// Builds what connections are made with.
    pub(super) fn config(&self, settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
        let mut config = self.identified(settings)?;
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Ok(config)
    }

    fn identified(&self, settings: &TlsSettings) -> Result<ClientConfig, TlsError> {
        let builder = builder(self.roots(settings)?);
        let (certificate, key) = match (&settings.certificate, &settings.key) {
            (None, None) => return Ok(builder.with_no_client_auth()),
            (Some(_), None) => return Err(half(TlsFile::Certificate, TlsFile::Key)),
            (None, Some(_)) => return Err(half(TlsFile::Key, TlsFile::Certificate)),
            (Some(certificate), Some(key)) => (certificate, key),
        };
        let bytes = self.certificate.as_deref().unwrap_or_default();
        let chain = certificates(TlsFile::Certificate, certificate, bytes)?;
        let private = private_key(key, self.key.as_deref().unwrap_or_default())?;
        builder.with_client_auth_cert(chain, private).map_err(|error| {
            if error == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
                TlsError::Mismatch { certificate: certificate.clone(), key: key.clone() }
            } else if matches!(error, rustls::Error::InvalidCertificate(_)) {
                unusable(TlsFile::Certificate, certificate, error)
            } else {
                unusable(TlsFile::Key, key, error)
            }
        })
    }

    fn roots(&self, settings: &TlsSettings) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if let (Some(path), Some(bytes)) = (&settings.ca, &self.ca) {
            // A bundle may have some that are too old to be read; it must have one that isn't.
            let (good, _) =
                roots.add_parsable_certificates(certificates(TlsFile::Ca, path, bytes)?);
            return if good > 0 {
                Ok(roots)
            } else {
                Err(unusable(TlsFile::Ca, path, "it has no certificate that can be read"))
            };
        }
        let system = rustls_native_certs::load_native_certs();
        let (good, _) = roots.add_parsable_certificates(system.certs);
        if good > 0 {
            return Ok(roots);
        }
        let problem = system.errors.first().map_or("there is none".to_owned(), ToString::to_string);
        Err(TlsError::NoSystemRoots { problem })
    }
}

#[allow(clippy::expect_used, reason = "no input: what the library was built with")]
fn builder(roots: RootCertStore) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider speaks the default versions")
        .with_root_certificates(roots)
}

fn read_file(file: TlsFile, path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|opened| opened.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Unreadable { file, path: path.to_owned(), source })?;
    if bytes.len() as u64 > FILE_LEN_MAX {
        return Err(TlsError::TooLong { file, path: path.to_owned() });
    }
    Ok(bytes)
}

fn certificates(
    file: TlsFile,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let found = found.map_err(|error| unusable(file, path, pem_problem(&error)))?;
    if found.is_empty() {
        return Err(unusable(file, path, pem_problem(&pem::Error::NoItemsFound)));
    }
    Ok(found)
}

fn private_key(path: &Path, bytes: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
        let is_encrypted = bytes.windows(9).any(|window| window == b"ENCRYPTED");
        let problem = if is_encrypted { "it is encrypted".to_owned() } else { pem_problem(&error) };
        unusable(TlsFile::Key, path, problem)
    })
}

/// In words; a PEM reader's own show lines of the file, and that may be a key.
fn pem_problem(error: &pem::Error) -> String {
    if matches!(error, pem::Error::NoItemsFound) {
        "it has no such PEM block".to_owned()
    } else if matches!(error, pem::Error::MissingSectionEnd { .. }) {
        "a PEM block has no end".to_owned()
    } else {
        "it isn't proper PEM".to_owned()
    }
}

fn unusable(file: TlsFile, path: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError::Unusable { file, path: path.to_owned(), problem: problem.to_string() }
}

fn half(given: TlsFile, missing: TlsFile) -> TlsError {
    TlsError::Half { given, missing }
}
