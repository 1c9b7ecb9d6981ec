// The Hugging Face token of an environment: checked, kept where its target reads it, and never anywhere else.
//
// On a cluster: one Secret `hf-token` in the models' namespace, with both key names that servers read
// (`token` as a file of ours, `HF_TOKEN` for images that know only the variable), and on eks Secrets Manager
// too. On this machine: a file of mode 0600 that downloads read (store/model_store.h). The token goes through
// memory, stdin and TLS; it is in no argument, journal, log or error. Blocking; threads: main.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cloud/aws.h"
#include "environment/models.h"
#include "io/files.h"

namespace slipway::environment {

inline constexpr const char* kHubToken = "hf-token";

struct CheckedToken {
  std::string text;
  std::string warning;  // for people; may be empty
};
// Takes one newline off the end. bad_value for what is no token: empty, several lines, blanks, control bytes.
base::Result<CheckedToken> checked_token(std::string_view text);

struct KeptSecret {
  std::string name;
  std::string where;  // "Secret models/hf-token", "/home/me/.config/slipway/hf-token"
  double age_s = 0;   // since it was made, or last written where that is known; negative: it has no value
};

// On this machine.
base::Result<KeptSecret> keep_token_here(const io::Paths& paths, const CheckedToken& token);
std::vector<KeptSecret> secrets_here(const io::Paths& paths);

// In the cluster's namespace; on eks that is made where it is not there yet.
base::Result<KeptSecret> keep_token_on(kube::Client& api, const ClusterPlace& place,
                                       const std::string& environment, const CheckedToken& token);
// Every Secret of the namespace but Helm's own records.
base::Result<std::vector<KeptSecret>> secrets_on(kube::Client& api, const ClusterPlace& place);
// That which keep_token_on made for this environment; false: there is none.
base::Result<bool> forget_token_on(kube::Client& api, const ClusterPlace& place,
                                   const std::string& environment);

// In Secrets Manager, for environments in the cloud. wrong_account when these are credentials of another one.
base::Result<KeptSecret> keep_token_in_cloud(const io::Paths& paths, const std::string& environment,
                                             const CheckedToken& token, const io::Patience& patience);
base::Result<KeptSecret> secret_in_cloud(const io::Paths& paths, const std::string& environment,
                                         const io::Patience& patience);

}  // namespace slipway::environment
