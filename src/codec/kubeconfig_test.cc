#include "codec/kubeconfig.h"

#include <gmock/gmock.h>

namespace slipway::codec {
namespace {

using base::ErrorCode;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::string_view kFile = R"(apiVersion: v1
kind: Config
current-context: prod
clusters:
- name: c1
  cluster:
    server: https://10.0.0.1:6443/
    certificate-authority-data: UEVN
- name: c2
  cluster: {server: "https://c2", certificate-authority: certs/ca.pem, tls-server-name: kubernetes}
contexts:
- name: prod
  context: {cluster: c1, user: u1, namespace: models}
- name: test
  context: {cluster: c2, user: u2}
- name: nowhere
  context: {cluster: gone, user: u2}
users:
- name: u1
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      command: aws
      args: [eks, get-token]
      env:
      - {name: AWS_PROFILE, value: dev}
- name: u2
  user: {token: abc, client-certificate: /etc/me.pem, client-key-data: S0VZ}
)";

base::Result<KubeAccess> read(std::string_view text, const std::string& context = "") {
  return parse_kubeconfig({"/home/me/.kube/config", text}, context);
}

TEST(Kubeconfig, TheCurrentContextIsJoinedWithItsClusterAndUser) {
  const auto access = read(kFile);
  ASSERT_TRUE(access) << access.error().to_string();
  EXPECT_EQ(access->context, "prod");
  EXPECT_EQ(access->server, "https://10.0.0.1:6443");
  EXPECT_EQ(access->authority.text, "PEM");
  EXPECT_EQ(access->name_space, "models");
  ASSERT_TRUE(access->exec);
  EXPECT_EQ(access->exec->command, "aws");
  EXPECT_THAT(access->exec->arguments, ElementsAre("eks", "get-token"));
  EXPECT_THAT(access->exec->variables, ElementsAre("AWS_PROFILE=dev"));
}

TEST(Kubeconfig, FilesAreRelativeToTheFile) {
  const auto access = read(kFile, "test");
  ASSERT_TRUE(access);
  EXPECT_EQ(access->authority.path, "/home/me/.kube/certs/ca.pem");
  EXPECT_EQ(access->certificate.path, "/etc/me.pem");
  EXPECT_EQ(access->key.text, "KEY");
  EXPECT_EQ(access->token.text, "abc");
  EXPECT_EQ(access->tls_name, "kubernetes");
}

TEST(Kubeconfig, AnUnknownContextNamesThoseThereAre) {
  const auto access = read(kFile, "prdo");
  ASSERT_FALSE(access);
  EXPECT_THAT(access.error().to_string(), HasSubstr("no context 'prdo'"));
  EXPECT_THAT(access.error().to_string(), HasSubstr("prod, test, nowhere"));
  EXPECT_FALSE(read("", ""));
}

TEST(Kubeconfig, WhatIsMissingOrBrokenIsNamed) {
  EXPECT_THAT(read(kFile, "nowhere").error().to_string(), HasSubstr("'gone'"));
  std::string broken(kFile);
  broken.replace(broken.find("UEVN"), 4, "U$VN");
  EXPECT_THAT(read(broken).error().to_string(), HasSubstr("'certificate-authority-data' is no base64"));
  EXPECT_EQ(read("a: [").error().code(), ErrorCode::syntax);
}

TEST(Kubeconfig, AnExecPluginsCredentialIsRead) {
  const auto one = parse_exec_credential(
      {"aws",
       R"({"kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"2026-11-24T07:00:00Z"}})"});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->token, "t");
  EXPECT_EQ(one->expires, "2026-11-24T07:00:00Z");
  for (const char* text : {"", "{}", "oops", R"({"status":{"token":""}})"})
    EXPECT_FALSE(parse_exec_credential({"aws", text})) << text;
}

}  // namespace
}  // namespace slipway::codec
