{{/* The chart's name. */}}
{{- define "spectrogram-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{/* The name of the release's objects. At most 50 characters, so that suffixes fit into 63. A word that stands in both
names is not repeated: the release spectrogram gives spectrogram-operator. */}}
{{- define "spectrogram-operator.fullname" -}}
{{- $name := include "spectrogram-operator.name" . }}
{{- $fullname := printf "%s-%s" .Release.Name $name }}
{{- if contains $name .Release.Name }}{{ $fullname = .Release.Name }}{{ end }}
{{- if hasPrefix (print .Release.Name "-") $name }}{{ $fullname = $name }}{{ end }}
{{- default $fullname .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "spectrogram-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "spectrogram-operator.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* The labels that the chart sets itself. */}}
{{- define "spectrogram-operator.ownLabels" -}}
{{ include "spectrogram-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "spectrogram-operator.labels" -}}
{{ include "spectrogram-operator.ownLabels" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The labels of an object that has some of its own, of (list . LABELS). */}}
{{- define "spectrogram-operator.labelsWith" -}}
{{- $root := first . }}
{{- include "spectrogram-operator.ownLabels" $root }}
{{- with merge dict (default dict (last .)) (default dict $root.Values.commonLabels) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What every worker's pod has. */}}
{{- define "spectrogram-operator.workerLabels" -}}
app.kubernetes.io/name: spectrogram-worker
app.kubernetes.io/managed-by: spectrogram-operator
{{- end }}

{{/* The labels of the operator's pod: podLabels win over commonLabels. */}}
{{- define "spectrogram-operator.podLabels" -}}
{{- include "spectrogram-operator.labelsWith" (list . .Values.podLabels) }}
{{- end }}

{{/* registry/repository:tag@digest, of (list . IMAGE). An image's own registry goes before that of all charts. */}}
{{- define "spectrogram-operator.image" -}}
{{- $root := first . }}
{{- $image := last . }}
{{- $global := default dict $root.Values.global }}
{{- with default $global.imageRegistry $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ default $root.Chart.AppVersion $image.tag }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* Names of Secrets, of (list . SECRETS), and of those that all charts use; with commas. Other charts take names or
{name: …} for these. */}}
{{- define "spectrogram-operator.pullSecrets" -}}
{{- $global := default dict (first .).Values.global }}
{{- $names := list }}
{{- range concat (default list (last .)) (default list $global.imagePullSecrets) }}
  {{- $names = append $names (kindIs "string" . | ternary . (get (kindIs "map" . | ternary . dict) "name")) }}
{{- end }}
{{- uniq $names | join "," }}
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
{{- end }}
{{- end }}

{{/* SPECTROGRAM_POOLS: the pools by queue; what is not set is the operator's default. */}}
{{- define "spectrogram-operator.pools" -}}
{{- $pools := dict }}
{{- $quantities := list "memory" "maxMemory" "totalMemory" "cpu" }}
{{- range $pool, $queue := dict "default" "default" "large" "large_jobs" }}
  {{- $set := dict }}
  {{- range $name, $value := index $.Values.pools $pool }}
    {{- if has $name $quantities }}{{ $value = kindIs "invalid" $value | ternary nil (include "spectrogram-operator.written" $value) }}{{ end }}
    {{- if not (kindIs "invalid" $value) }}{{ $_ := set $set $name $value }}{{ end }}
  {{- end }}
  {{- $_ := set $pools $queue $set }}
{{- end }}
{{- toJson $pools | replace "$" "$$" }}
{{- end }}

{{/* SPECTROGRAM_STORES. Kubernetes takes $ in a variable for the beginning of another's name, and $$ for $. */}}
{{- define "spectrogram-operator.stores" -}}
{{- default dict .Values.stores | toJson | replace "$" "$$" }}
{{- end }}

{{/* A value as people wrote it. Numbers go through toJson: large ones would come out as 1e+06 otherwise. */}}
{{- define "spectrogram-operator.written" -}}
{{ kindIs "string" . | ternary . (toJson .) }}
{{- end }}

{{- define "spectrogram-operator.text" -}}
{{ include "spectrogram-operator.written" . | quote }}
{{- end }}

{{/* The settings' environment variables. */}}
{{- define "spectrogram-operator.settings" -}}
{{- range $name, $value := .Values.settings }}
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
  verbs: [get, list, watch, delete]
- apiGroups: [spectrogram.dev]
  resources: [spectrogramjobs/status]
  verbs: [update]
# Pods block their owner's deletion: clusters that check owner references ask for this right.
- apiGroups: [spectrogram.dev]
  resources: [spectrogramjobs/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [list, create]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get]
{{- if index (default dict .Values.settings) "memoryCorrection" }}
# What workers took of memory. No rule can name what does not exist yet.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps]
  resourceNames: [spectrogram-memory]
  verbs: [get, update]
{{- end }}
{{- if eq .Values.scope "Namespaced" }}
{{ include "spectrogram-operator.leaseRules" "spectrogram-operator" }}
{{- else }}
# Which namespaces another release serves by name: this one stays out of them.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [spectrogram-operator]
  verbs: [list]
{{- if include "spectrogram-operator.readsNodes" . }}
# How many jobs have room on the nodes of a pool.
- apiGroups: [""]
  resources: [nodes]
  verbs: [list]
{{- end }}
{{- end }}
{{- end }}

{{/* Whether the limit of a pool follows from its nodes. */}}
{{- define "spectrogram-operator.readsNodes" -}}
{{- range .Values.pools }}{{ if eq (toString .maxConcurrent) "auto" }}true{{ end }}{{ end }}
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
