{{/* Selectors, at whatever depth: in affinities, spreads and peers. */}}

{{- define "spectrogram-operator.checkSelectors" -}}
{{- $at := . }}
{{- range $path, $tree := dict
  "affinity" .Values.affinity
  "topologySpreadConstraints" .Values.topologySpreadConstraints
  "pools.default.affinity" .Values.pools.default.affinity
  "pools.default.topologySpreadConstraints" .Values.pools.default.topologySpreadConstraints
  "pools.large.affinity" .Values.pools.large.affinity
  "pools.large.topologySpreadConstraints" .Values.pools.large.topologySpreadConstraints
  "networkPolicy.scrapers" .Values.networkPolicy.scrapers }}
  {{- include "spectrogram-operator.checkTree" (dict "found" $at.found "forms" $at.checks.forms "name" $path "value" $tree) }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkTree" -}}
{{- $at := . }}
{{- if kindIs "map" .value }}
  {{- include "spectrogram-operator.checkSelector" . }}
  {{- range $key, $value := .value }}
    {{- include "spectrogram-operator.checkTree" (dict "found" $at.found "forms" $at.forms "name" (printf "%s.%s" $at.name $key) "value" $value) }}
  {{- end }}
{{- else if kindIs "slice" .value }}
  {{- range $index, $value := .value }}
    {{- include "spectrogram-operator.checkTree" (dict "found" $at.found "forms" $at.forms "name" (printf "%s[%d]" $at.name $index) "value" $value) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* One map of a tree. */}}
{{- define "spectrogram-operator.checkSelector" -}}
{{- $at := . }}
{{- $one := .value }}
{{- $forms := dict "topologyKey" "labelKey" "cidr" "cidr" }}
{{- if hasKey $one "operator" }}
  {{- $_ := set $forms "key" "labelKey" }}
  {{- $few := len (default list $one.values) }}
  {{- if and (has $one.operator (list "In" "NotIn")) (eq $few 0) }}
    {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "%s: operator %s needs values" .name $one.operator)) }}
  {{- else if and (has $one.operator (list "Exists" "DoesNotExist")) (gt $few 0) }}
    {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "%s: operator %s goes without values" .name $one.operator)) }}
  {{- else if and (has $one.operator (list "Gt" "Lt")) (or (ne $few 1) (not (regexMatch "^[0-9]{1,18}$" (first (append (default list $one.values) ""))))) }}
    {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "%s: operator %s needs one value, a whole number as text" .name $one.operator)) }}
  {{- end }}
{{- end }}
{{- range $field, $form := $forms }}
  {{- if hasKey $one $field }}
    {{- include "spectrogram-operator.checkOne" (dict "found" $at.found "name" (printf "%s.%s" $at.name $field) "value" (index $one $field) "rule" (index $at.forms $form) "mayBeEmpty" false) }}
  {{- end }}
{{- end }}
{{- range $key, $value := default dict $one.matchLabels }}
  {{- range $form, $text := dict "labelKey" $key "labelValue" $value }}
    {{- include "spectrogram-operator.checkOne" (dict "found" $at.found "name" (printf "%s.matchLabels" $at.name) "value" $text "rule" (index $at.forms $form) "mayBeEmpty" (eq $form "labelValue")) }}
  {{- end }}
{{- end }}
{{- if and (hasKey $one "minDomains") (ne $one.whenUnsatisfiable "DoNotSchedule") }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "%s: minDomains goes with whenUnsatisfiable DoNotSchedule alone" .name)) }}
{{- end }}
{{- end }}
