#include "environment/session.h"

#include <fmt/format.h>

#include "store/environment.h"

namespace slipway::environment {

using base::Error, base::ErrorCode, base::Result;

Result<Workspace> workspace_of(const io::Paths& paths, const std::string& name) {
  SLIPWAY_TRY(const store::EnvironmentPaths where, store::environment_paths(paths, name));
  const std::filesystem::path& folder = where.directory;
  return Workspace{.folder = folder,
                   .platform = folder / "platform",
                   .kubeconfig = folder / "kubeconfig",
                   .journal = folder / "journal.db",
                   .terraform_state = folder / "terraform.tfstate"};
}

bool known(const Workspace& where) {
  std::error_code ignored;
  return std::filesystem::exists(where.journal, ignored);
}

std::vector<io::ToolNeed> tool_needs() {
  return {cloud::aws_need(), cloud::terraform_need(), kube::kubectl_need(), kube::helm_need()};
}

Session::Session(const SessionInput& in, Workspace where, ApplyLock lock, Journal journal, const Tools& tools)
    : name_(in.name),
      where_(std::move(where)),
      lock_(std::move(lock)),
      journal_(std::move(journal)),
      patience_(in.patience),
      watcher_(in.watcher),
      aws_(tools.aws, in.region, patience_),
      terraform_(tools.terraform, where_.platform / "terraform", where_.folder, patience_),
      kubectl_(tools.kubectl, where_.kubeconfig, patience_),
      helm_(tools.helm, where_.kubeconfig, patience_) {}

Result<std::unique_ptr<Session>> Session::open(const SessionInput& in) {
  Tools tools;
  for (const io::ToolNeed& need : tool_needs()) {
    SLIPWAY_TRY(io::Tool tool, io::find_tool(need));
    io::Tool& slot = need.name == "aws"         ? tools.aws
                     : need.name == "terraform" ? tools.terraform
                     : need.name == "helm"      ? tools.helm
                                                : tools.kubectl;
    slot = std::move(tool);
  }
  SLIPWAY_TRY(Workspace where, workspace_of(in.paths, in.name));
  SLIPWAY_TRY(ApplyLock lock, ApplyLock::take(where.folder, in.command));
  SLIPWAY_TRY(Journal journal, Journal::open(where.journal));
  auto session =
      std::unique_ptr<Session>(new Session(in, std::move(where), std::move(lock), std::move(journal), tools));
  SLIPWAY_TRY(session->identity_, session->aws_.identity());
  SLIPWAY_TRY(const auto owner, session->journal_.ownership());
  if (owner && owner->life != "gone" && owner->account != session->identity_.account)
    return Error(ErrorCode::wrong_account,
                 fmt::format("environment {} is in account {}, and {} is of account {}", in.name,
                             owner->account, session->identity_.arn, session->identity_.account))
        .with_next(fmt::format("Use credentials of account {} (AWS_PROFILE), then run the same command.",
                               owner->account));
  if (owner && owner->life != "gone" && owner->region != in.region)
    return Error(ErrorCode::bad_value, fmt::format("environment {} is in {}, and the blueprint says {}",
                                                   in.name, owner->region, in.region))
        .with_next("Set region back, or give the new environment another name.");
  return session;
}

}  // namespace slipway::environment
