{{/* What values must be to each other. Each template adds what is wrong to .found, as checkForms does. */}}

{{- define "spectrogram-operator.checkTogether" -}}
{{- $checks := include "spectrogram-operator.checks" .root | fromYaml }}
{{- $at := dict "root" .root "found" .found "Values" .root.Values "checks" $checks }}
{{- include "spectrogram-operator.checkNames" $at }}
{{- include "spectrogram-operator.checkAccounts" $at }}
{{- include "spectrogram-operator.checkEnvironment" $at }}
{{- include "spectrogram-operator.checkSettings" $at }}
{{- include "spectrogram-operator.checkPools" $at }}
{{- include "spectrogram-operator.checkStores" $at }}
{{- include "spectrogram-operator.checkLabels" $at }}
{{- include "spectrogram-operator.checkPods" $at }}
{{- include "spectrogram-operator.checkSelectors" $at }}
{{- include "spectrogram-operator.checkImages" $at }}
{{- include "spectrogram-operator.checkOperatorPod" $at }}
{{- include "spectrogram-operator.checkObjects" $at }}
{{- end }}

{{- define "spectrogram-operator.checkNames" -}}
{{- $name := include "spectrogram-operator.fullname" .root }}
{{- if not (regexMatch .checks.forms.objectName.pattern $name) }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "the release's name %q would give objects the name %q, which no Service may have: choose a release's name of lower-case letters, digits and -, first a letter, no dots, or set fullnameOverride" .root.Release.Name $name)) }}
{{- end }}
{{- if not (regexMatch .checks.forms.namespace.pattern .root.Release.Namespace) }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "the release's namespace %q %s" .root.Release.Namespace .checks.forms.namespace.words)) }}
{{- end }}
{{- if and (eq .Values.scope "Cluster") .Values.watchNamespaces }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" "watchNamespaces has no meaning with scope Cluster, which watches every namespace: leave it empty, or set scope to Namespaced") }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkAccounts" -}}
{{- $at := . }}
{{- $account := .Values.worker.serviceAccount }}
{{- if not (include "spectrogram-operator.makesWorkerAccounts" .root) }}
  {{- $why := eq .Values.scope "Cluster" | ternary "scope Cluster" "worker.serviceAccount.create false" }}
  {{- if $account.annotations }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "worker.serviceAccount.annotations would have no effect: with %s the chart makes no account that could have them; give them to the account that workers run as" $why)) }}
  {{- end }}
{{- else if eq (include "spectrogram-operator.workerAccountName" .root) (include "spectrogram-operator.serviceAccountName" .root) }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "worker.serviceAccount.name: %q is the operator's own account, and workers must not have its rights: write another, or leave it out" (include "spectrogram-operator.workerAccountName" .root))) }}
{{- end }}
{{- range $path, $made := dict "serviceAccount" .Values.serviceAccount "worker.serviceAccount" $account }}
  {{- if and $made.create (eq (default "" $made.name) "default") }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.name: \"default\" is there in every namespace, so it cannot be made: write another, or set %s.create to false" $path $path)) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* extraEnv: no name twice, none that the chart sets, and values of the replaced system's names that can be used. */}}
{{- define "spectrogram-operator.checkEnvironment" -}}
{{- $at := . }}
{{- $names := dict }}
{{- range $index, $entry := default list .Values.extraEnv }}
  {{- $here := printf "extraEnv[%d]" $index }}
  {{- if hasKey $names .name }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: %s is there twice: remove one of them" $here .name)) }}
  {{- end }}
  {{- $_ := set $names .name true }}
  {{- if and .valueFrom .value }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: %s has a value and a valueFrom: remove one of them" $here .name)) }}
  {{- end }}
  {{- if hasPrefix "SPECTROGRAM_" .name }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: %s is the operator's own, and would hide a value of the chart: set that value, settings.* for most, and remove this" $here .name)) }}
  {{- else if hasKey $at.checks.replaced .name }}
    {{- $known := index $at.checks.replaced .name }}
    {{- $text := default "" .value }}
    {{- if .valueFrom }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: %s is a setting, and what valueFrom gives cannot be checked: write its value, or settings.%s" $here .name $known.setting)) }}
    {{- else if not (kindIs "invalid" (index (default dict $at.Values.settings) $known.setting)) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: %s has no effect beside settings.%s: remove one of them" $here .name $known.setting)) }}
    {{- else if $text }}
      {{- if eq $known.kind "memory" }}
        {{- include "spectrogram-operator.checkOne" (dict "found" $at.found "value" $text "name" (printf "%s: %s" $here .name) "rule" $at.checks.forms.memoryOrAuto "mayBeEmpty" false) }}
      {{- else }}
        {{- $whole := eq $known.kind "whole" }}
        {{- $good := regexMatch ($whole | ternary "^[0-9]{1,10}$" "^[0-9]{1,10}(\\.[0-9]{1,6})?$") $text }}
        {{- if $good }}{{ $good = and (ge (float64 $text) (float64 $known.least)) (le (float64 $text) (float64 $known.most)) }}{{ end }}
        {{- if not $good }}
          {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: %s: %q cannot be used: write a %snumber from %s to %s" $here .name $text ($whole | ternary "whole " "") (toJson $known.least) (toJson $known.most))) }}
        {{- end }}
      {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* A setting as the operator will read it, and where it was written: {value, name} as JSON. */}}
{{- define "spectrogram-operator.effective" -}}
{{- $setting := .setting }}
{{- $result := dict "value" .default "name" (printf "settings.%s" $setting) }}
{{- $written := index (default dict .root.Values.settings) $setting }}
{{- if not (kindIs "invalid" $written) }}
  {{- $_ := set $result "value" $written }}
{{- else }}
  {{- range default list .root.Values.extraEnv }}
    {{- if and .value (eq (dig .name "setting" "" $.checks.replaced) $setting) }}
      {{- $_ := set $result "value" .value }}
      {{- $_ := set $result "name" (printf "extraEnv %s" .name) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- toJson $result }}
{{- end }}

{{- define "spectrogram-operator.checkSettings" -}}
{{- if not .found.lines }}
{{- $limits := list "softTimeLimit" 600 "less than" "hardTimeLimit" 900 }}
{{- $pairs := list $limits (list "backoff" 10 "at most" "maxBackoff" 600) (list "refusalWait" 30 "at most" "maxRefusalWait" 300) }}
{{- $at := . }}
{{- range $pairs }}
  {{- $one := include "spectrogram-operator.effective" (dict "root" $at.root "checks" $at.checks "setting" (index . 0) "default" (index . 1)) | fromJson }}
  {{- $other := include "spectrogram-operator.effective" (dict "root" $at.root "checks" $at.checks "setting" (index . 3) "default" (index . 4)) | fromJson }}
  {{- $relation := index . 2 }}
  {{- $small := eq $relation "less than" | ternary (lt (float64 $one.value) (float64 $other.value)) (le (float64 $one.value) (float64 $other.value)) }}
  {{- if not $small }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s (%s s) must be %s %s (%s s): change one of them" $one.name (include "spectrogram-operator.written" $one.value) $relation $other.name (include "spectrogram-operator.written" $other.value))) }}
  {{- end }}
{{- end }}
{{- end }}
{{- range $name, $port := .Values.ports }}
  {{- if lt (int $port) 1024 }}
    {{- include "spectrogram-operator.complain" (dict "found" $.found "line" (printf "ports.%s: %d is for root alone, which the operator is not: write a port from 1024 to 65535" $name (int $port))) }}
  {{- end }}
{{- end }}
{{- if eq (int .Values.ports.health) (int .Values.ports.metrics) }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "ports.health and ports.metrics are both %d: change one of them" (int .Values.ports.health))) }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkPools" -}}
{{- $at := . }}
{{- $default := include "spectrogram-operator.effective" (dict "root" .root "checks" .checks "setting" "defaultMemory" "default" "1Gi") | fromJson }}
{{- $usual := dict "default" (list $default.value "4Gi") "large" (list "4Gi" "16Gi") }}
{{- range $name, $pool := .Values.pools }}
  {{- $usual := index $usual $name }}
  {{- $path := printf "pools.%s" $name }}
  {{- if and (eq (toString $pool.maxConcurrent) "auto") (ne $at.Values.scope "Cluster") }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.maxConcurrent: auto counts the nodes of the whole cluster, for the jobs of all namespaces: write a number, or set scope to Cluster" $path)) }}
  {{- end }}
  {{- $from := printf "%s.memory" $path }}
  {{- $memory := $pool.memory }}
  {{- if kindIs "invalid" $memory }}
    {{- $memory = first $usual }}
    {{- if eq $name "default" }}{{ $from = $default.name }}{{ end }}
  {{- else if and (eq $name "default") (or (ne $default.name "settings.defaultMemory") (index (default dict $at.Values.settings) "defaultMemory")) (not (has (toString $memory) (list "auto" (toString $default.value)))) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s has no effect beside pools.default.memory: remove one of them" $default.name)) }}
  {{- end }}
  {{- $amount := include "spectrogram-operator.amount" $memory | float64 }}
  {{- $most := last $usual }}
  {{- if not (kindIs "invalid" $pool.maxMemory) }}
    {{- $most = $pool.maxMemory }}
    {{- if gt $amount (include "spectrogram-operator.amount" $most | float64) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s (%s) is above %s.maxMemory (%s): lower the one or raise the other" $from (include "spectrogram-operator.written" $memory) $path (include "spectrogram-operator.written" $most))) }}
    {{- end }}
  {{- else if gt $amount (include "spectrogram-operator.amount" $most | float64) }}
    {{- $most = $memory }}
  {{- end }}
  {{- if not (kindIs "invalid" $pool.totalMemory) }}
    {{- $total := include "spectrogram-operator.amount" $pool.totalMemory | float64 }}
    {{- if and (gt $total 0.0) (lt $total (include "spectrogram-operator.amount" $most | float64)) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.totalMemory (%s) is below what one pod may have, %s.maxMemory (%s): raise the one or lower the other" $path (include "spectrogram-operator.written" $pool.totalMemory) $path (include "spectrogram-operator.written" $most))) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkStores" -}}
{{- $at := . }}
{{- range $name, $store := default dict .Values.stores }}
  {{- $path := printf "stores.%s" $name }}
  {{- $set := list }}
  {{- range $field, $value := $store }}{{ if not (kindIs "invalid" $value) }}{{ $set = append $set $field }}{{ end }}{{ end }}
  {{- if eq (has "claimName" $set) (has "bucket" $set) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: a store is a claim or a bucket: write one of claimName and bucket" $path)) }}
  {{- else if and (has "claimName" $set) (gt (len $set) 1) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: a claim has no %s: write claimName alone" $path (without $set "claimName" | sortAlpha | join ", no "))) }}
  {{- end }}
  {{- if has "prefix" $set }}
    {{- if or (hasPrefix "/" $store.prefix) (has ".." (splitList "/" $store.prefix)) (contains "\x00" $store.prefix) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.prefix: %q is no path from the bucket on: write it without a leading / and without .." $path $store.prefix)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkLabels" -}}
{{- $at := . }}
{{- $chart := .checks.ownLabels.chart }}
{{- $workers := .checks.ownLabels.workers }}
{{- range $path, $labels := dict "commonLabels" .Values.commonLabels "podLabels" .Values.podLabels }}
  {{- range $key, $value := default dict $labels }}
    {{- if has $key $chart }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.%s is a label that the chart sets itself: choose another" $path $key)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range $name, $pool := .Values.pools }}
  {{- range $key, $value := default dict $pool.podLabels }}
    {{- if or (has $key $workers) (hasPrefix "spectrogram.dev/" $key) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "pools.%s.podLabels.%s is a label that the operator sets itself: choose another" $name $key)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}

{{/* What the API server says only when it is too late. */}}
{{- define "spectrogram-operator.checkPods" -}}
{{- $at := . }}
{{- range $path, $tolerations := dict "tolerations" .Values.tolerations "pools.default.tolerations" .Values.pools.default.tolerations "pools.large.tolerations" .Values.pools.large.tolerations }}
  {{- range $index, $one := default list $tolerations }}
    {{- $here := printf "%s[%d]" $path $index }}
    {{- if and (eq (default "Equal" .operator) "Exists") .value }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: operator Exists goes without value: remove one of them" $here)) }}
    {{- else if and (not .key) (ne (default "Equal" .operator) "Exists") }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: without a key it must have operator Exists, which tolerates everything: write a key" $here)) }}
    {{- end }}
    {{- if and (hasKey . "tolerationSeconds") (ne (default "" .effect) "NoExecute") }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: tolerationSeconds goes with effect NoExecute alone" $here)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- range $path, $secrets := dict "imagePullSecrets" .Values.imagePullSecrets "worker.serviceAccount.imagePullSecrets" .Values.worker.serviceAccount.imagePullSecrets }}
  {{- $names := list }}
  {{- range default list $secrets }}{{ $names = append $names .name }}{{ end }}
  {{- if ne (len $names) (len (uniq $names)) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s names a Secret twice: remove one of them" $path)) }}
  {{- end }}
{{- end }}
{{- $limits := default dict (dig "limits" dict (default dict .Values.resources)) }}
{{- range $name, $request := default dict (dig "requests" dict (default dict .Values.resources)) }}
  {{- $limit := index $limits $name }}
  {{- if and (not (kindIs "invalid" $limit)) (not (kindIs "invalid" $request)) }}
    {{- if gt (include "spectrogram-operator.amount" $request | float64) (include "spectrogram-operator.amount" $limit | float64) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "resources.requests.%s (%s) is above resources.limits.%s (%s): lower the one or raise the other" $name (include "spectrogram-operator.written" $request) $name (include "spectrogram-operator.written" $limit))) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end }}
