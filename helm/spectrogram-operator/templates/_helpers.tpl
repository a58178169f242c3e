{{/* The chart's name. */}}
{{- define "spectrogram-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* The name of the release's objects. At most 50 characters, so that suffixes fit into 63. */}}
{{- define "spectrogram-operator.fullname" -}}
{{- $name := include "spectrogram-operator.name" . }}
{{- $fullname := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) }}
{{- default $fullname .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "spectrogram-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "spectrogram-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "spectrogram-operator.labels" -}}
{{ include "spectrogram-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* registry/repository:tag@digest, of (dict "image" … "chart" .Chart). */}}
{{- define "spectrogram-operator.image" -}}
{{- $image := .image }}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ default .chart.AppVersion $image.tag }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "spectrogram-operator.serviceAccountName" -}}
{{- $made := .Values.serviceAccount.create | ternary (include "spectrogram-operator.fullname" .) "default" }}
{{- default $made .Values.serviceAccount.name }}
{{- end }}

{{- define "spectrogram-operator.makesWorkerAccounts" -}}
{{- if and .Values.worker.serviceAccount.create (eq .Values.scope "Namespaced") }}true{{ end }}
{{- end }}

{{- define "spectrogram-operator.workerAccountName" -}}
{{- $own := printf "%s-worker" (include "spectrogram-operator.fullname" .) }}
{{- $made := include "spectrogram-operator.makesWorkerAccounts" . | empty | ternary "default" $own }}
{{- default $made .Values.worker.serviceAccount.name }}
{{- end }}

{{/* The watched namespaces, separated by commas; empty with scope Cluster. */}}
{{- define "spectrogram-operator.namespaces" -}}
{{- if eq .Values.scope "Namespaced" }}
{{- default (list .Release.Namespace) .Values.watchNamespaces | uniq | join "," }}
{{- else if .Values.watchNamespaces }}
{{- fail "watchNamespaces has no meaning with scope Cluster, which watches every namespace: leave it empty, or set scope to Namespaced" }}
{{- end }}
{{- end }}

{{/* SPECTROGRAM_POOLS: the pools by queue; what is not set is the operator's default. */}}
{{- define "spectrogram-operator.pools" -}}
{{- $pools := dict }}
{{- range $pool, $queue := dict "default" "default" "large" "large_jobs" }}
  {{- $set := dict }}
  {{- range $name, $value := index $.Values.pools $pool }}
    {{- if not (kindIs "invalid" $value) }}{{ $_ := set $set $name $value }}{{ end }}
  {{- end }}
  {{- $_ := set $pools $queue $set }}
{{- end }}
{{- toJson $pools }}
{{- end }}

{{/* A value as quoted text. Numbers go through toJson: large ones would come out as 1e+06 otherwise. */}}
{{- define "spectrogram-operator.text" -}}
{{ kindIs "string" . | ternary . (toJson .) | quote }}
{{- end }}

{{/* The settings' environment variables. */}}
{{- define "spectrogram-operator.settings" -}}
{{- $settings := .Values.settings }}
{{- $soft := default 600 $settings.softTimeLimit | int }}
{{- $hard := default 900 $settings.hardTimeLimit | int }}
{{- if ge $soft $hard }}
{{- fail (printf "settings.softTimeLimit (%d s) must be less than settings.hardTimeLimit (%d s): change one of them" $soft $hard) }}
{{- end }}
{{- range $name, $value := $settings }}
{{- if not (kindIs "invalid" $value) }}
- name: SPECTROGRAM_{{ $name | snakecase | upper }}
  value: {{ include "spectrogram-operator.text" $value }}
{{- end }}
{{- end }}
{{- end }}

{{/* What the operator may do where it watches. */}}
{{- define "spectrogram-operator.rules" -}}
- apiGroups: [spectrogram.dev]
  resources: [spectrogramjobs]
  verbs: [get, list, watch]
- apiGroups: [spectrogram.dev]
  resources: [spectrogramjobs/status]
  verbs: [get, patch, update]
# Pods block their owner's deletion: clusters that check owner references ask for this right.
- apiGroups: [spectrogram.dev]
  resources: [spectrogramjobs/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [list, create, patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
{{- if eq .Values.scope "Namespaced" }}
{{ include "spectrogram-operator.leaseRules" "spectrogram-operator" }}
{{- else }}
# Which namespaces another release serves by name: this one stays out of them.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [spectrogram-operator]
  verbs: [list]
{{- end }}
{{- end }}

{{/* The right to seek and keep the lease of this name. No rule can name what does not exist yet. */}}
{{- define "spectrogram-operator.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ . }}]
  verbs: [get, update]
{{- end }}
