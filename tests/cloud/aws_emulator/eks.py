"""EKS in the API's documented shapes. Routes and parameter places come from botocore's service model; the behaviour that a
client depends on is here: the order of things (a node group fails without its network add-on, CoreDNS without nodes), the
security group and access entries that EKS makes itself, and refusals (unsupported zone, version skips, attached groups).
Size: one service, whole; its parts share one table of clusters."""
import datetime
import json
import re
import threading
import uuid
from urllib.parse import unquote

import botocore.session

from .eks_catalog import ACCESS_POLICIES, ADDONS, VERSIONS, addon_version
from .wire import ACCOUNT, AwsError, ok

REFUSED_ZONE_IDS = ("use1-az3", "usw1-az2", "cac1-az3")
LOG_TYPES = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
NODE_ADDONS = ("vpc-cni", "kube-proxy", "eks-pod-identity-agent")


def now():
    return datetime.datetime.now(datetime.timezone.utc).timestamp()


def missing(what):
    return AwsError(404, "ResourceNotFoundException", what)


def in_use(what):
    return AwsError(409, "ResourceInUseException", what)


def invalid(what):
    return AwsError(400, "InvalidParameterException", what)


class Router:
    """(method, percent-encoded path) -> operation and its path parameters."""

    def __init__(self):
        model = botocore.session.get_session().get_service_model("eks")
        self.routes = []
        for name in model.operation_names:
            operation = model.operation_model(name)
            pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", operation.http["requestUri"].split("?")[0])
            if operation.http["requestUri"].startswith("/tags/"):
                pattern = r"/tags/(?P<resourceArn>.+)"
            members = operation.input_shape.members if operation.input_shape else {}
            place = {m.serialization.get("name", key): key for key, m in members.items()}
            lists = {key for key, m in members.items() if m.type_name == "list"}
            self.routes.append((operation.http["method"], re.compile(pattern + "/?$"), name, place, lists))

    def match(self, request):
        for method, pattern, name, place, lists in self.routes:
            found = pattern.match(request.path) if method == request.method else None
            if found:
                params = {place.get(key, key): unquote(value) for key, value in found.groupdict().items()}
                for key, values in request.query.items():
                    member = place.get(key, key)
                    params[member] = values if member in lists else values[0]
                return name, {**request.json, **params}
        raise AwsError(404, "NotFoundException", f"no EKS route for {request.method} {request.path}")


class Cluster:
    def __init__(self, shape):
        self.shape = shape
        self.nodegroups, self.addons, self.entries, self.associations, self.updates = {}, {}, {}, {}, {}
        self.polls = 0


class Eks:
    def __init__(self, faults):
        self.faults = faults
        self.router = Router()
        self.lock = threading.RLock()
        self.clusters = {}  # (region, name) -> Cluster
        self.answered = {}  # (operation, client request token) -> answer

    def route(self, request):
        request.operation, self_params = self.router.match(request)
        return self_params

    def handle(self, request, params):
        handler = getattr(self, request.operation, None)
        if handler is None:
            raise AwsError(501, "NotImplementedException", f"the emulator has no EKS {request.operation}")
        with self.lock:
            # A create that is sent again, because its answer was lost, gets the first one's answer.
            token = (request.operation, params.get("clientRequestToken")) if request.operation.startswith("Create") else None
            if token and token[1] and token in self.answered:
                return ok(self.answered[token])
            answer = handler(request.region, **{k: v for k, v in params.items() if k not in ("clientRequestToken", "maxResults", "nextToken")})
            if token and token[1]:
                self.answered[token] = answer
            return ok(answer)

    # Helpers

    def _cluster(self, region, name):
        cluster = self.clusters.get((region, name))
        if cluster is None:
            raise missing(f"No cluster found for name: {name}.")
        return cluster

    def _active(self, region, name):
        cluster = self._cluster(region, name)
        if cluster.shape["status"] != "ACTIVE":
            raise AwsError(400, "InvalidRequestException", f"Cluster '{name}' is not in ACTIVE status")
        return cluster

    def _arn(self, region, kind):
        return f"arn:aws:eks:{region}:{ACCOUNT}:{kind}"

    def _ec2(self, region):
        from moto.ec2.models import ec2_backends
        return ec2_backends[ACCOUNT][region]

    def _role(self, arn):
        from moto.iam.models import iam_backends
        roles = iam_backends[ACCOUNT]["global"].roles.values()
        if not any(role.arn == arn for role in roles):
            raise invalid(f"Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not correct")

    def _update(self, cluster, kind, params):
        update = {"id": str(uuid.uuid4()), "status": "Successful", "type": kind, "createdAt": now(), "errors": [],
                  "params": [{"type": key, "value": str(value)} for key, value in params.items()]}
        cluster.updates[update["id"]] = update
        return {"update": update}

    # Clusters

    def CreateCluster(self, region, name, roleArn, resourcesVpcConfig, version=None, kubernetesNetworkConfig=None, logging=None,
                      tags=None, encryptionConfig=None, accessConfig=None, bootstrapSelfManagedAddons=True, upgradePolicy=None,
                      computeConfig=None, storageConfig=None, zonalShiftConfig=None, deletionProtection=False):
        if (region, name) in self.clusters:
            raise in_use(f"Cluster already exists with name: {name}")
        version = version or next(v for v, info in VERSIONS.items() if info["default"])
        if version not in VERSIONS:
            raise invalid(f"unsupported Kubernetes version {version}")
        self._role(roleArn)
        ec2 = self._ec2(region)
        subnets = [ec2.get_subnet(subnet) for subnet in resourcesVpcConfig["subnetIds"]]
        for subnet in subnets:
            if subnet.availability_zone_id in REFUSED_ZONE_IDS:
                raise AwsError(400, "UnsupportedAvailabilityZoneException",
                               f"Cannot create cluster '{name}' because {subnet.availability_zone}, the targeted availability zone, does not currently have sufficient capacity to support the cluster.")
        if len({subnet.availability_zone for subnet in subnets}) < 2:
            raise invalid("Subnets specified must be in at least two different AZs")
        vpc = subnets[0].vpc_id
        group = ec2.create_security_group(f"eks-cluster-sg-{name}-{uuid.uuid4().hex[:8]}", "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.", vpc_id=vpc)
        group.add_tags({"Name": group.name, f"kubernetes.io/cluster/{name}": "owned", "aws:eks:cluster-name": name})
        public = resourcesVpcConfig.get("endpointPublicAccess", True)
        auto = bool(computeConfig and computeConfig.get("enabled"))
        wanted = {t for entry in (logging or {}).get("clusterLogging", []) if entry.get("enabled") for t in entry["types"]}
        shape = {
            "name": name, "arn": self._arn(region, f"cluster/{name}"), "createdAt": now(), "version": version,
            "endpoint": f"https://{uuid.uuid4().hex.upper()}.gr7.{region}.eks.amazonaws.com", "roleArn": roleArn,
            "resourcesVpcConfig": {
                "subnetIds": resourcesVpcConfig["subnetIds"], "securityGroupIds": resourcesVpcConfig.get("securityGroupIds", []),
                "clusterSecurityGroupId": group.id, "vpcId": vpc, "endpointPublicAccess": public,
                "endpointPrivateAccess": resourcesVpcConfig.get("endpointPrivateAccess", False),
                # Left out means open to everyone: that is EKS's own default.
                "publicAccessCidrs": (resourcesVpcConfig.get("publicAccessCidrs") or ["0.0.0.0/0"]) if public else [],
            },
            "kubernetesNetworkConfig": {"ipFamily": "ipv4", "serviceIpv4Cidr": "172.20.0.0/16",
                                        "elasticLoadBalancing": {"enabled": False}, **(kubernetesNetworkConfig or {})},
            "logging": {"clusterLogging": [entry for entry in (
                {"types": [t for t in LOG_TYPES if t in wanted], "enabled": True},
                {"types": [t for t in LOG_TYPES if t not in wanted], "enabled": False}) if entry["types"]]},
            "identity": {"oidc": {"issuer": f"https://oidc.eks.{region}.amazonaws.com/id/{uuid.uuid4().hex.upper()}"}},
            "status": "CREATING", "certificateAuthority": {"data": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t"}, "platformVersion": "eks.9",
            "tags": tags or {}, "encryptionConfig": encryptionConfig or [], "health": {"issues": []},
            "accessConfig": {"bootstrapClusterCreatorAdminPermissions": True, "authenticationMode": "CONFIG_MAP", **(accessConfig or {})},
            "upgradePolicy": {"supportType": "EXTENDED", **(upgradePolicy or {})},
            "deletionProtection": deletionProtection,
        }
        # What was not asked for is not in the answer.
        shape |= {key: value for key, value in (("computeConfig", computeConfig), ("storageConfig", storageConfig),
                                                ("zonalShiftConfig", zonalShiftConfig)) if value is not None}
        cluster = Cluster(shape)
        cluster.polls = self.faults["cluster_polls"]
        self.clusters[(region, name)] = cluster
        if auto and computeConfig.get("nodeRoleArn"):
            self._entry(region, cluster, computeConfig["nodeRoleArn"], "EC2")
        if bootstrapSelfManagedAddons and not auto:
            for addon in ("vpc-cni", "kube-proxy", "coredns"):
                cluster.shape.setdefault("_selfManaged", []).append(addon)
        return {"cluster": self._public(cluster)}

    def _public(self, cluster):
        return {key: value for key, value in cluster.shape.items() if not key.startswith("_")}

    def DescribeCluster(self, region, name):
        cluster = self._cluster(region, name)
        status = cluster.shape["status"]
        if status in ("CREATING", "DELETING"):
            if cluster.polls > 0:
                cluster.polls -= 1
            elif status == "CREATING":
                cluster.shape["status"] = "ACTIVE"
            else:
                self._forget(region, name)
                raise missing(f"No cluster found for name: {name}.")
        return {"cluster": self._public(cluster)}

    def ListClusters(self, region, include=None):
        return {"clusters": sorted(name for area, name in self.clusters if area == region)}

    def DeleteCluster(self, region, name):
        cluster = self._cluster(region, name)
        if cluster.nodegroups:
            raise in_use("Cluster has nodegroups attached")
        if cluster.shape["deletionProtection"]:
            raise AwsError(400, "InvalidRequestException", "Cluster has deletion protection enabled")
        cluster.shape["status"], cluster.polls = "DELETING", self.faults["cluster_polls"]
        shape = self._public(cluster)
        if cluster.polls == 0:
            self._forget(region, name)
        return {"cluster": shape}

    def _forget(self, region, name):
        cluster = self.clusters.pop((region, name))
        group = cluster.shape["resourcesVpcConfig"]["clusterSecurityGroupId"]
        ec2 = self._ec2(region)
        if ec2.get_security_group_from_id(group) is not None:
            ec2.delete_security_group(group_id=group)

    def UpdateClusterConfig(self, region, name, resourcesVpcConfig=None, logging=None, accessConfig=None, upgradePolicy=None,
                            zonalShiftConfig=None, computeConfig=None, kubernetesNetworkConfig=None, storageConfig=None, deletionProtection=None):
        cluster = self._active(region, name)
        if resourcesVpcConfig:
            vpc = cluster.shape["resourcesVpcConfig"]
            vpc.update(resourcesVpcConfig)
            if not vpc["endpointPublicAccess"]:
                vpc["publicAccessCidrs"] = []
            elif not vpc["publicAccessCidrs"]:
                vpc["publicAccessCidrs"] = ["0.0.0.0/0"]
        if logging:
            cluster.shape["logging"] = logging
        for key, value in (("accessConfig", accessConfig), ("upgradePolicy", upgradePolicy), ("zonalShiftConfig", zonalShiftConfig),
                           ("computeConfig", computeConfig), ("kubernetesNetworkConfig", kubernetesNetworkConfig), ("storageConfig", storageConfig)):
            if value is not None:
                cluster.shape[key] = {**cluster.shape.get(key, {}), **value}
        if deletionProtection is not None:
            cluster.shape["deletionProtection"] = deletionProtection
        return self._update(cluster, "EndpointAccessUpdate" if resourcesVpcConfig else "ConfigUpdate", {})

    def UpdateClusterVersion(self, region, name, version):
        cluster = self._active(region, name)
        minor = lambda v: int(v.split(".")[1])
        if version not in VERSIONS:
            raise invalid(f"unsupported Kubernetes version {version}")
        if minor(version) != minor(cluster.shape["version"]) + 1:
            raise invalid(f"Unsupported Kubernetes minor version update from {cluster.shape['version']} to {version}")
        cluster.shape["version"] = version
        return self._update(cluster, "VersionUpdate", {"Version": version})

    def DescribeUpdate(self, region, name, updateId, nodegroupName=None, addonName=None):
        update = self._cluster(region, name).updates.get(updateId)
        if update is None:
            raise missing(f"No update found for ID: {updateId}")
        return {"update": update}

    def ListUpdates(self, region, name, nodegroupName=None, addonName=None):
        return {"updateIds": list(self._cluster(region, name).updates)}

    def DescribeClusterVersions(self, region, clusterVersions=None, defaultOnly=False, includeAll=False, status=None, versionStatus=None, clusterType=None):
        wanted = clusterVersions or list(VERSIONS)
        return {"clusterVersions": [{
            "clusterVersion": v, "clusterType": "eks", "defaultPlatformVersion": "eks.9", "defaultVersion": info["default"],
            "status": "STANDARD_SUPPORT", "versionStatus": "STANDARD_SUPPORT", "kubernetesPatchVersion": f"{v}.1",
        } for v, info in VERSIONS.items() if v in wanted]}

    # Node groups

    def CreateNodegroup(self, region, clusterName, nodegroupName, subnets, nodeRole, scalingConfig=None, diskSize=None, instanceTypes=None,
                        amiType="AL2023_x86_64_STANDARD", remoteAccess=None, labels=None, taints=None, tags=None, launchTemplate=None,
                        updateConfig=None, nodeRepairConfig=None, capacityType="ON_DEMAND", version=None, releaseVersion=None):
        cluster = self._active(region, clusterName)
        if nodegroupName in cluster.nodegroups:
            raise in_use(f"NodeGroup already exists with name {nodegroupName} and cluster name {clusterName}")
        self._role(nodeRole)
        if launchTemplate:
            template = self._ec2(region).describe_launch_templates(template_ids=[launchTemplate["id"]] if "id" in launchTemplate else None,
                                                                   template_names=[launchTemplate["name"]] if "name" in launchTemplate else None)[0]
            launchTemplate = {"id": template.id, "name": template.name, "version": str(launchTemplate.get("version") or template.default_version_number)}
        version = version or cluster.shape["version"]
        issues = []
        if self.faults["nodegroup_failure"]:
            issues = [{"code": self.faults["nodegroup_failure"], "message": f"Could not launch On-Demand Instances. InsufficientInstanceCapacity - We currently do not have sufficient {instanceTypes[0]} capacity in the Availability Zone you requested.", "resourceIds": []}]
        elif not all(addon in cluster.addons or addon in cluster.shape.get("_selfManaged", []) for addon in NODE_ADDONS[:2]):
            issues = [{"code": "NodeCreationFailure", "message": "Unhealthy nodes in the kubernetes cluster: container runtime network not ready: cni plugin not initialized", "resourceIds": []}]
        shape = {
            "nodegroupName": nodegroupName, "nodegroupArn": self._arn(region, f"nodegroup/{clusterName}/{nodegroupName}/{uuid.uuid4()}"),
            "clusterName": clusterName, "version": version, "releaseVersion": releaseVersion or f"{version}.1-20261101", "createdAt": now(),
            "modifiedAt": now(), "status": "CREATE_FAILED" if issues else "ACTIVE", "capacityType": capacityType,
            "scalingConfig": scalingConfig or {"minSize": 1, "maxSize": 2, "desiredSize": 2}, "instanceTypes": instanceTypes or ["t3.medium"],
            "subnets": subnets, "amiType": amiType, "nodeRole": nodeRole, "labels": labels or {}, "taints": taints or [],
            "resources": {"autoScalingGroups": [{"name": f"eks-{nodegroupName}-{uuid.uuid4()}"}]}, "health": {"issues": issues},
            "updateConfig": updateConfig or {"maxUnavailable": 1}, "nodeRepairConfig": nodeRepairConfig or {"enabled": False}, "tags": tags or {},
        }
        if launchTemplate:
            shape["launchTemplate"] = launchTemplate
        else:
            shape["diskSize"] = diskSize or 20
        cluster.nodegroups[nodegroupName] = shape
        if nodeRole not in cluster.entries:
            self._entry(region, cluster, nodeRole, "EC2_LINUX")
        return {"nodegroup": shape}

    def _nodegroup(self, region, clusterName, nodegroupName):
        shape = self._cluster(region, clusterName).nodegroups.get(nodegroupName)
        if shape is None:
            raise missing(f"No node group found for name: {nodegroupName}.")
        return shape

    def DescribeNodegroup(self, region, clusterName, nodegroupName):
        return {"nodegroup": self._nodegroup(region, clusterName, nodegroupName)}

    def ListNodegroups(self, region, clusterName):
        return {"nodegroups": sorted(self._cluster(region, clusterName).nodegroups)}

    def DeleteNodegroup(self, region, clusterName, nodegroupName):
        shape = self._nodegroup(region, clusterName, nodegroupName)
        del self._cluster(region, clusterName).nodegroups[nodegroupName]
        return {"nodegroup": {**shape, "status": "DELETING"}}

    def UpdateNodegroupConfig(self, region, clusterName, nodegroupName, labels=None, taints=None, scalingConfig=None, updateConfig=None, nodeRepairConfig=None):
        shape = self._nodegroup(region, clusterName, nodegroupName)
        for change in (labels or {}).get("removeLabels", []):
            shape["labels"].pop(change, None)
        shape["labels"].update((labels or {}).get("addOrUpdateLabels", {}))
        changed = (taints or {}).get("addOrUpdateTaints", []) + (taints or {}).get("removeTaints", [])
        shape["taints"] = [t for t in shape["taints"] if (t["key"], t["effect"]) not in {(c["key"], c["effect"]) for c in changed}]
        shape["taints"] += (taints or {}).get("addOrUpdateTaints", [])
        shape["scalingConfig"].update(scalingConfig or {})
        shape["updateConfig"] = updateConfig or shape["updateConfig"]
        shape["nodeRepairConfig"] = nodeRepairConfig or shape["nodeRepairConfig"]
        return self._update(self._cluster(region, clusterName), "ConfigUpdate", {})

    def UpdateNodegroupVersion(self, region, clusterName, nodegroupName, version=None, releaseVersion=None, launchTemplate=None, force=False):
        shape = self._nodegroup(region, clusterName, nodegroupName)
        cluster = self._cluster(region, clusterName)
        version = version or shape["version"]
        if int(version.split(".")[1]) > int(cluster.shape["version"].split(".")[1]):
            raise invalid(f"Nodegroup version {version} is newer than the cluster's {cluster.shape['version']}")
        shape["version"], shape["releaseVersion"] = version, releaseVersion or f"{version}.1-20261101"
        if launchTemplate:
            shape["launchTemplate"] = {**shape.get("launchTemplate", {}), **launchTemplate}
        return self._update(cluster, "VersionUpdate", {"Version": version})

    # Add-ons

    def CreateAddon(self, region, clusterName, addonName, addonVersion=None, serviceAccountRoleArn=None, resolveConflicts=None,
                    tags=None, configurationValues=None, podIdentityAssociations=None, namespaceConfig=None):
        cluster = self._active(region, clusterName)
        if addonName not in ADDONS:
            raise invalid(f"Addon {addonName} specified is not supported")
        if addonName in cluster.addons:
            raise in_use("Addon already exists.")
        if addonVersion and addonVersion not in (addon_version(addonName, cluster.shape["version"], True), addon_version(addonName, cluster.shape["version"], False)):
            raise invalid(f"Addon version specified is not supported: {addonVersion} on {cluster.shape['version']}")
        if configurationValues:
            json.loads(configurationValues)
        auto = cluster.shape.get("computeConfig", {}).get("enabled", False)
        needs_nodes = addonName in ("coredns", "metrics-server", "aws-ebs-csi-driver")
        issues = [] if auto or cluster.nodegroups or not needs_nodes else [
            {"code": "InsufficientNumberOfReplicas", "message": "The add-on is unhealthy because it doesn't have the desired number of replicas.", "resourceIds": []}]
        shape = {
            "addonName": addonName, "clusterName": clusterName, "status": "CREATE_FAILED" if issues else "ACTIVE",
            "addonVersion": addonVersion or addon_version(addonName, cluster.shape["version"], True), "health": {"issues": issues},
            "addonArn": self._arn(region, f"addon/{clusterName}/{addonName}/{uuid.uuid4()}"), "createdAt": now(), "modifiedAt": now(),
            "tags": tags or {}, "publisher": "eks", "owner": "aws",
        }
        if configurationValues:
            shape["configurationValues"] = configurationValues
        if serviceAccountRoleArn:
            shape["serviceAccountRoleArn"] = serviceAccountRoleArn
        cluster.addons[addonName] = shape
        return {"addon": shape}

    def _addon(self, region, clusterName, addonName):
        shape = self._cluster(region, clusterName).addons.get(addonName)
        if shape is None:
            raise missing(f"No addon: {addonName} found in cluster: {clusterName}")
        return shape

    def DescribeAddon(self, region, clusterName, addonName):
        return {"addon": self._addon(region, clusterName, addonName)}

    def ListAddons(self, region, clusterName):
        return {"addons": sorted(self._cluster(region, clusterName).addons)}

    def UpdateAddon(self, region, clusterName, addonName, addonVersion=None, serviceAccountRoleArn=None, resolveConflicts=None,
                    configurationValues=None, podIdentityAssociations=None):
        shape = self._addon(region, clusterName, addonName)
        shape["addonVersion"] = addonVersion or shape["addonVersion"]
        if configurationValues is not None:
            shape["configurationValues"] = configurationValues
        shape["modifiedAt"] = now()
        return self._update(self._cluster(region, clusterName), "AddonUpdate", {"AddonVersion": shape["addonVersion"]})

    def DeleteAddon(self, region, clusterName, addonName, preserve=None):
        shape = self._addon(region, clusterName, addonName)
        del self._cluster(region, clusterName).addons[addonName]
        return {"addon": {**shape, "status": "DELETING"}}

    def DescribeAddonVersions(self, region, kubernetesVersion=None, addonName=None, types=None, publishers=None, owners=None):
        if kubernetesVersion and kubernetesVersion not in VERSIONS:
            raise invalid(f"unsupported Kubernetes version {kubernetesVersion}")
        return {"addons": [{
            "addonName": name, "type": info["type"], "publisher": "eks", "owner": "aws",
            "addonVersions": [{
                "addonVersion": addon_version(name, v, is_default), "architecture": ["amd64", "arm64"], "computeTypes": ["ec2"],
                "compatibilities": [{"clusterVersion": v, "platformVersions": ["*"], "defaultVersion": is_default}],
                "requiresConfiguration": False, "requiresIamPermissions": False,
            } for v in ([kubernetesVersion] if kubernetesVersion else VERSIONS) for is_default in (False, True)],
        } for name, info in ADDONS.items() if addonName in (None, name)]}

    def DescribeAddonConfiguration(self, region, addonName, addonVersion):
        return {"addonName": addonName, "addonVersion": addonVersion, "configurationSchema": "{}", "podIdentityConfiguration": []}

    # Access entries

    def _entry(self, region, cluster, principalArn, kind, kubernetesGroups=None, username=None, tags=None):
        name = principalArn.rpartition("/")[2]
        session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{{{{SessionName}}}}"
        shape = {
            "clusterName": cluster.shape["name"], "principalArn": principalArn, "type": kind, "tags": tags or {},
            "kubernetesGroups": kubernetesGroups or ([] if kind == "STANDARD" else ["system:nodes"]), "createdAt": now(), "modifiedAt": now(),
            "accessEntryArn": self._arn(region, f"access-entry/{cluster.shape['name']}/role/{ACCOUNT}/{name}/{uuid.uuid4()}"),
            "username": username or ("system:node:{{EC2PrivateDNSName}}" if kind != "STANDARD" else session if ":role/" in principalArn else principalArn),
        }
        cluster.entries[principalArn] = {"shape": shape, "policies": {}}
        return shape

    def CreateAccessEntry(self, region, clusterName, principalArn, kubernetesGroups=None, tags=None, username=None, type="STANDARD"):
        cluster = self._active(region, clusterName)
        if principalArn in cluster.entries:
            raise in_use("The specified access entry resource is already in use on this cluster.")
        if not re.match(r"arn:aws:iam::\d{12}:(role|user)/", principalArn):
            raise invalid("The principalArn parameter format is not valid")
        return {"accessEntry": self._entry(region, cluster, principalArn, type, kubernetesGroups, username, tags)}

    def _access(self, region, clusterName, principalArn):
        entry = self._cluster(region, clusterName).entries.get(principalArn)
        if entry is None:
            raise missing(f"The specified principalArn could not be found: {principalArn}")
        return entry

    def DescribeAccessEntry(self, region, clusterName, principalArn):
        return {"accessEntry": self._access(region, clusterName, principalArn)["shape"]}

    def ListAccessEntries(self, region, clusterName, associatedPolicyArn=None):
        return {"accessEntries": [arn for arn, entry in self._cluster(region, clusterName).entries.items()
                                  if associatedPolicyArn in (None, *entry["policies"])]}

    def UpdateAccessEntry(self, region, clusterName, principalArn, kubernetesGroups=None, username=None):
        shape = self._access(region, clusterName, principalArn)["shape"]
        shape["kubernetesGroups"] = shape["kubernetesGroups"] if kubernetesGroups is None else kubernetesGroups
        shape["username"] = username or shape["username"]
        return {"accessEntry": shape}

    def DeleteAccessEntry(self, region, clusterName, principalArn):
        self._access(region, clusterName, principalArn)
        del self._cluster(region, clusterName).entries[principalArn]
        return {}

    def AssociateAccessPolicy(self, region, clusterName, principalArn, policyArn, accessScope):
        entry = self._access(region, clusterName, principalArn)
        if policyArn.rpartition("/")[2] not in ACCESS_POLICIES:
            raise invalid(f"The policyArn parameter format is not valid: {policyArn}")
        if entry["shape"]["type"] != "STANDARD":
            raise AwsError(400, "InvalidRequestException", "The access entry type does not support policy associations")
        shape = {"policyArn": policyArn, "accessScope": {"namespaces": [], **accessScope}, "associatedAt": now(), "modifiedAt": now()}
        entry["policies"][policyArn] = shape
        return {"clusterName": clusterName, "principalArn": principalArn, "associatedAccessPolicy": shape}

    def DisassociateAccessPolicy(self, region, clusterName, principalArn, policyArn):
        entry = self._access(region, clusterName, principalArn)
        if entry["policies"].pop(policyArn, None) is None:
            raise missing(f"The specified policyArn could not be found: {policyArn}")
        return {}

    def ListAssociatedAccessPolicies(self, region, clusterName, principalArn):
        entry = self._access(region, clusterName, principalArn)
        return {"clusterName": clusterName, "principalArn": principalArn, "associatedAccessPolicies": list(entry["policies"].values())}

    def ListAccessPolicies(self, region):
        return {"accessPolicies": [{"name": p, "arn": f"arn:aws:eks::aws:cluster-access-policy/{p}"} for p in ACCESS_POLICIES]}

    # Pod Identity associations

    def CreatePodIdentityAssociation(self, region, clusterName, namespace, serviceAccount, roleArn, tags=None, disableSessionTags=False, targetRoleArn=None):
        cluster = self._active(region, clusterName)
        if any(a["namespace"] == namespace and a["serviceAccount"] == serviceAccount for a in cluster.associations.values()):
            raise in_use("Association already exists: a service account can have one association")
        self._role(roleArn)
        ident = "a-" + uuid.uuid4().hex[:17]
        shape = {"clusterName": clusterName, "namespace": namespace, "serviceAccount": serviceAccount, "roleArn": roleArn,
                 "associationArn": self._arn(region, f"podidentityassociation/{clusterName}/{ident}"), "associationId": ident,
                 "tags": tags or {}, "createdAt": now(), "modifiedAt": now(), "disableSessionTags": disableSessionTags}
        cluster.associations[ident] = shape
        return {"association": shape}

    def _association(self, region, clusterName, associationId):
        shape = self._cluster(region, clusterName).associations.get(associationId)
        if shape is None:
            raise missing(f"No association found for ID: {associationId}")
        return shape

    def DescribePodIdentityAssociation(self, region, clusterName, associationId):
        return {"association": self._association(region, clusterName, associationId)}

    def ListPodIdentityAssociations(self, region, clusterName, namespace=None, serviceAccount=None):
        return {"associations": [{key: a[key] for key in ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")}
                                 for a in self._cluster(region, clusterName).associations.values()
                                 if namespace in (None, a["namespace"]) and serviceAccount in (None, a["serviceAccount"])]}

    def UpdatePodIdentityAssociation(self, region, clusterName, associationId, roleArn=None, disableSessionTags=None, targetRoleArn=None):
        shape = self._association(region, clusterName, associationId)
        shape["roleArn"] = roleArn or shape["roleArn"]
        return {"association": shape}

    def DeletePodIdentityAssociation(self, region, clusterName, associationId):
        shape = self._association(region, clusterName, associationId)
        del self._cluster(region, clusterName).associations[associationId]
        return {"association": shape}

    # Others that clients list

    def ListFargateProfiles(self, region, clusterName):
        return {"fargateProfileNames": []}

    def ListIdentityProviderConfigs(self, region, clusterName):
        return {"identityProviderConfigs": []}

    # Tags

    def everything(self):
        """(kind, arn, name, tags) of all that exists; the tag dictionaries are the live ones."""
        for (_, name), cluster in list(self.clusters.items()):
            yield "cluster", cluster.shape["arn"], name, cluster.shape["tags"]
            for group in cluster.nodegroups.values():
                yield "nodegroup", group["nodegroupArn"], group["nodegroupName"], group["tags"]
            for addon in cluster.addons.values():
                yield "addon", addon["addonArn"], addon["addonName"], addon["tags"]
            for arn, entry in cluster.entries.items():
                yield "access-entry", entry["shape"]["accessEntryArn"], arn, entry["shape"]["tags"]
            for association in cluster.associations.values():
                yield "podidentityassociation", association["associationArn"], association["associationId"], association["tags"]

    def _tags(self, resourceArn):
        for _, arn, _, tags in self.everything():
            if arn == resourceArn:
                return tags
        raise missing(f"resource not found: {resourceArn}")

    def TagResource(self, region, resourceArn, tags):
        self._tags(resourceArn).update(tags)
        return {}

    def UntagResource(self, region, resourceArn, tagKeys):
        live = self._tags(resourceArn)
        for key in tagKeys:
            live.pop(key, None)
        return {}

    def ListTagsForResource(self, region, resourceArn):
        return {"tags": self._tags(resourceArn)}
