#include "store/model_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::store {
namespace {

bool word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '-';
}

// Letters, digits, '.', '_', '-'; not empty, not an option, not a way up.
bool is_word(std::string_view text) {
  return !text.empty() && text.front() != '-' && text != "." && text != ".." &&
         std::ranges::all_of(text, word_character);
}

// A relative path without empty, "." or ".." parts and without control characters.
bool is_clean_path(std::string_view path) {
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    if (std::ranges::any_of(part, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
      return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

std::string percent_encode(std::string_view path) {
  std::string out;
  for (const char c : path) {
    if (word_character(c) || c == '/' || c == '~')
      out += c;
    else
      fmt::format_to(std::back_inserter(out), "%{:02X}",
                     static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return out;
}

base::Error bad(std::string_view text, std::string_view why) {
  return base::Error(base::ErrorCode::bad_value, fmt::format("\"{}\" is not a model source: {}", text, why))
      .with_next("Write hf:OWNER/REPO/FILE, https://HOST/FILE, file:/PATH or pypi:PACKAGE==VERSION:PATH.");
}

base::Result<ModelSource> parse_hf(ModelSource source, std::string_view rest, std::string_view endpoint) {
  const std::size_t first = rest.find('/');
  const std::size_t second = first == std::string_view::npos ? first : rest.find('/', first + 1);
  if (second == std::string_view::npos) return bad(source.text, "hf: needs OWNER/REPO/FILE");
  const std::string_view owner = rest.substr(0, first);
  std::string_view repo = rest.substr(first + 1, second - first - 1);
  const std::string_view path = rest.substr(second + 1);
  std::string_view revision = "main";
  if (const std::size_t at = repo.find('@'); at != std::string_view::npos) {
    revision = repo.substr(at + 1);
    repo = repo.substr(0, at);
  }
  if (!is_word(owner) || !is_word(repo)) return bad(source.text, "the owner or the repository is not a name");
  if (!is_word(revision)) return bad(source.text, "the revision is not a branch, a tag or a commit");
  if (!is_clean_path(path)) return bad(source.text, "the file is not a path inside the repository");
  source.kind = SourceKind::hf;
  source.page = fmt::format("{}/{}/{}", endpoint, owner, repo);
  source.url = fmt::format("{}/resolve/{}/{}", source.page, revision, percent_encode(path));
  return source;
}

base::Result<ModelSource> parse_pypi(ModelSource source, std::string_view rest) {
  const std::size_t equals = rest.find("==");
  const std::size_t colon = equals == std::string_view::npos ? equals : rest.find(':', equals);
  if (colon == std::string_view::npos) return bad(source.text, "pypi: needs PACKAGE==VERSION:PATH");
  source.package = rest.substr(0, equals);
  source.version = rest.substr(equals + 2, colon - equals - 2);
  source.member = rest.substr(colon + 1);
  if (!is_word(source.package)) return bad(source.text, "the package is not a name");
  if (!is_word(source.version)) return bad(source.text, "the version is not an exact version");
  if (!is_clean_path(source.member)) return bad(source.text, "the file is not a path inside the wheel");
  source.kind = SourceKind::pypi;
  return source;
}

base::Result<ModelSource> parse_file(ModelSource source, std::string_view rest) {
  if (rest.starts_with("///")) rest.remove_prefix(2);
  if (!rest.starts_with('/') || rest.starts_with("//"))
    return bad(source.text, "file: needs an absolute path");
  source.kind = SourceKind::file;
  source.file = std::filesystem::path(rest).lexically_normal();
  return source;
}

bool loopback_http(std::string_view url) {
  for (const std::string_view host : {"http://127.0.0.1", "http://localhost", "http://[::1]"}) {
    if (!url.starts_with(host)) continue;
    const std::string_view rest = url.substr(host.size());
    return rest.starts_with(':') || rest.starts_with('/');
  }
  return false;
}

}  // namespace

std::string_view kind_name(SourceKind kind) {
  switch (kind) {
    case SourceKind::hf:
      return "hf";
    case SourceKind::https:
      return "https";
    case SourceKind::file:
      return "file";
    case SourceKind::pypi:
      return "pypi";
  }
  return "https";
}

base::Result<ModelSource> parse_model_source(std::string_view text, std::string_view hf_endpoint) {
  ModelSource source;
  source.text = text;
  if (text.starts_with("hf:")) return parse_hf(std::move(source), text.substr(3), hf_endpoint);
  if (text.starts_with("pypi:")) return parse_pypi(std::move(source), text.substr(5));
  if (text.starts_with("file:")) return parse_file(std::move(source), text.substr(5));
  if (text.starts_with("https://") || loopback_http(text)) {
    source.kind = SourceKind::https;
    source.url = text;
    return source;
  }
  if (text.starts_with("http://")) return bad(text, "http:// is only allowed for this machine; use https://");
  return bad(text, "it starts with none of hf:, https:, file:, pypi:");
}

}  // namespace slipway::store
