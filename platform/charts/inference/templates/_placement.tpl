{{/* Which nodes, and near what. Called with the root unless said otherwise. */}}

{{/* The node-labels table of the platform: what an accelerator selects and tolerates, what old pool names mean. */}}
{{- define "inference.nodeLabels" -}}
{{- .Files.Get "files/node-labels.yaml" -}}
{{- end -}}

{{/* A node selector with old pool names translated, as YAML, of (dict "root" $ "selector" MAP "accelerator" NAME). */}}
{{- define "inference.nodeSelectorOf" -}}
{{- $table := include "inference.nodeLabels" .root | fromYaml -}}
{{- $out := deepCopy (index $table.accelerators .accelerator).labels -}}
{{- range $key, $value := .selector -}}
{{- if eq $key "karpenter.sh/nodepool" -}}
{{- $legacy := index $table.legacy_pools $value -}}
{{- if $legacy -}}{{- $_ := set $out $table.keys.pool $legacy.pool -}}
{{- else if hasKey $table.pools $value -}}{{- $_ := set $out $table.keys.pool $value -}}
{{- else -}}{{- fail (printf "nodeSelector karpenter.sh/nodepool '%s' names no pool that is known. Pools: %s." $value (keys $table.pools | sortAlpha | join ", ")) -}}{{- end -}}
{{- else -}}{{- $_ := set $out $key $value -}}{{- end -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}

{{/* Instance families that an old pool name stood for, as a JSON list, of the same dict. */}}
{{- define "inference.familiesOf" -}}
{{- $table := include "inference.nodeLabels" .root | fromYaml -}}
{{- $pool := index (.selector | default dict) "karpenter.sh/nodepool" -}}
{{- $legacy := dict -}}
{{- if $pool -}}{{- $legacy = index $table.legacy_pools $pool | default dict -}}{{- end -}}
{{- toJson ($legacy.families | default list) -}}
{{- end -}}

{{- define "inference.nodeSelector" -}}
{{- $deployment := .Values.inference.modelServer.deployment -}}
{{- include "inference.nodeSelectorOf" (dict "root" . "selector" $deployment.nodeSelector "accelerator" .Values.inference.accelerator) }}
{{- with $deployment.instanceType }}
node.kubernetes.io/instance-type: {{ . }}
{{- end }}
{{- end -}}

{{/* The taints of the accelerator's pools, then the file's own tolerations, each once. */}}
{{- define "inference.tolerations" -}}
{{- $table := include "inference.nodeLabels" . | fromYaml -}}
{{- $own := .Values.inference.modelServer.deployment.tolerations | default list -}}
{{- concat (index $table.accelerators .Values.inference.accelerator).tolerations $own | uniq | toYaml -}}
{{- end -}}

{{/* Terms of a list from a values file: an empty label selector means this release's pods. */}}
{{- define "inference.ownTerms" -}}
{{- $labels := include "inference.selector" .root | fromYaml -}}
{{- $terms := list -}}
{{- range .terms -}}
{{- $term := deepCopy . -}}
{{- $inner := $term.podAffinityTerm | default $term -}}
{{- if not (or (($inner.labelSelector).matchLabels) (($inner.labelSelector).matchExpressions)) -}}
{{- $_ := set $inner "labelSelector" (dict "matchLabels" $labels) -}}
{{- end -}}
{{- $terms = append $terms $term -}}
{{- end -}}
{{- toYaml $terms -}}
{{- end -}}

{{/*
Pod affinity by zone. Pods are selected by our own labels: the labels that KubeRay and LWS put on them carry generated
names. With "group" the rule holds for one group of a LeaderWorkerSet and is a must: its ring cannot cross zones.
*/}}
{{- define "inference.podAffinity" -}}
{{- $root := .root -}}
{{- $rule := $root.Values.inference.modelServer.deployment.podAffinity -}}
{{- if .group }}
podAffinity:
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: topology.kubernetes.io/zone
      labelSelector:
        matchLabels:
          {{- include "inference.selector" $root | nindent 10 }}
      {{- if ne $root.Values.topology "strict" }}
      matchLabelKeys: [leaderworkerset.sigs.k8s.io/group-index]
      {{- end }}
{{- else if and $rule.enabled (ne $root.Values.topology "spread") }}
podAffinity:
  {{- if eq $root.Values.topology "strict" }}
  requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: topology.kubernetes.io/zone
      labelSelector:
        matchLabels:
          {{- include "inference.selector" $root | nindent 10 }}
  {{- else }}
  {{- with $rule.requiredDuringSchedulingIgnoredDuringExecution }}
  requiredDuringSchedulingIgnoredDuringExecution:
    {{- include "inference.ownTerms" (dict "root" $root "terms" .) | nindent 4 }}
  {{- end }}
  preferredDuringSchedulingIgnoredDuringExecution:
    {{- include "inference.ownTerms" (dict "root" $root "terms" ($rule.preferredDuringSchedulingIgnoredDuringExecution | default (list (dict "weight" 100 "podAffinityTerm" (dict "topologyKey" "topology.kubernetes.io/zone"))))) | nindent 4 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* nodeSelector, tolerations, affinity and spread of a pod, of (dict "root" $ "group" BOOL). */}}
{{- define "inference.placement" -}}
{{- $root := .root -}}
{{- $deployment := $root.Values.inference.modelServer.deployment -}}
nodeSelector:
  {{- include "inference.nodeSelector" $root | nindent 2 }}
{{- with include "inference.tolerations" $root | fromYamlArray }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $families := include "inference.familiesOf" (dict "root" $root "selector" $deployment.nodeSelector) | fromJsonArray }}
{{- $pods := include "inference.podAffinity" . | trim }}
{{- if $deployment.affinity }}
affinity:
  {{- toYaml $deployment.affinity | nindent 2 }}
{{- else if or $families $pods }}
affinity:
  {{- if $families }}
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - key: {{ ternary "eks.amazonaws.com" "karpenter.k8s.aws" $root.Values.autoMode }}/instance-family
              operator: In
              values: {{ toJson $families }}
  {{- end }}
  {{- $pods | nindent 2 }}
{{- end }}
{{- if and (eq $root.Values.topology "spread") $deployment.topologySpreadConstraints.enabled (not .group) }}
topologySpreadConstraints:
  {{- $zones := list (dict "maxSkew" 1 "topologyKey" "topology.kubernetes.io/zone" "whenUnsatisfiable" "ScheduleAnyway") }}
  {{- include "inference.ownTerms" (dict "root" $root "terms" ($deployment.topologySpreadConstraints.constraints | default $zones)) | nindent 2 }}
{{- end }}
{{- end -}}
