// kubeconfig files: where a cluster's API is and who we are there.
//
// The context that is asked for, or `current-context`, joined with its cluster and user. Files that it names
// stay paths, relative ones to the file's own folder: reading them is kube's. Pure. Failure: syntax, unknown
// context (bad_value with the contexts there are), each with its place.
// Source: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"

namespace slipway::codec {

// Inline (decoded) or in a file; both empty when it is not given.
struct KubeData {
  std::string text = {};
  std::string path = {};
  bool given() const { return !text.empty() || !path.empty(); }
};

// A program that prints an ExecCredential.
struct KubeExec {
  std::string command = {};
  std::vector<std::string> arguments = {};
  std::vector<std::string> variables = {};  // "NAME=value"
  std::string api_version = {};
};

struct KubeAccess {
  std::string context = {};
  std::string server = {};    // "https://10.0.0.1:6443"
  std::string tls_name = {};  // tls-server-name
  bool skip_verification = false;
  KubeData authority = {};      // certificate-authority
  std::string name_space = {};  // of the context; empty: "default"
  KubeData certificate = {}, key = {};
  KubeData token = {};
  std::optional<KubeExec> exec = {};
};

base::Result<KubeAccess> parse_kubeconfig(const Source& source, const std::string& context = {});

// What an exec program printed.
struct ExecCredential {
  std::string token = {};
  std::string certificate = {}, key = {};
  std::string expires = {};  // RFC 3339; empty: lives as long as the process
};
base::Result<ExecCredential> parse_exec_credential(const Source& source);

// Padded or not; nothing when the text is no base64.
std::optional<std::string> base64_decoded(std::string_view text);

}  // namespace slipway::codec
