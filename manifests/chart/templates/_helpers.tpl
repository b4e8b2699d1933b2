{{/* What every object is labelled with. */}}
{{- define "hookgate.labels" -}}
app.kubernetes.io/part-of: hookgate
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The image by name. */}}
{{- define "hookgate.image" -}}
{{- with .Values.image -}}
{{- if .registry }}{{ .registry }}/{{ end }}{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/*
Objects of a file that the kustomize base has as well, in the namespaces of this release. Takes the whole of everything
as `root`, the `file`, the `kinds` to take from it, and perhaps more `labels`.
*/}}
{{- define "hookgate.shared" -}}
{{- $root := .root }}
{{- $kinds := .kinds }}
{{- $more := .labels | default dict }}
{{- $text := $root.Files.Get .file | replace "hookgate-bindings" $root.Values.bindings.namespace }}
{{- $text = $text | replace "namespace: hookgate-system" (printf "namespace: %s" $root.Release.Namespace) }}
{{- $text = $text | replace "interval: 30s" (printf "interval: %s" $root.Values.prometheus.servicemonitor.interval) }}
{{- range splitList "\n---\n" $text }}
{{- $object := fromYaml . }}
{{- if has $object.kind $kinds }}
{{- $labels := merge (deepCopy $more) ($object.metadata.labels | default dict) (include "hookgate.labels" $root | fromYaml) }}
{{- if and $root.Values.global.rbac.aggregateClusterRoles (eq $object.metadata.name "hookgate-edit") }}
{{- $_ := set $labels "rbac.authorization.k8s.io/aggregate-to-edit" "true" }}
{{- else if and $root.Values.global.rbac.aggregateClusterRoles (eq $object.metadata.name "hookgate-view") }}
{{- $_ := set $labels "rbac.authorization.k8s.io/aggregate-to-view" "true" }}
{{- end }}
{{- $_ := set $object.metadata "labels" $labels }}
{{- range $object.subjects }}
{{- if eq .name "hookgate-operator" }}{{ $_ := set . "name" $root.Values.serviceAccount.name }}{{ end }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}
