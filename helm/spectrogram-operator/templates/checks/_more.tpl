{{/* What must be so of the operator's pod and of the objects beside it. As _together.tpl. */}}

{{- define "spectrogram-operator.checkImages" -}}
{{- $at := . }}
{{- $global := default dict .Values.global }}
{{- range $path, $image := dict "image" .Values.image "worker.image" .Values.worker.image }}
  {{- $registry := default $global.imageRegistry $image.registry }}
  {{- if and $registry (contains ":" $image.repository) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.repository: %q names a registry, and %q is one already: write it once" $path $image.repository $registry)) }}
  {{- end }}
{{- end }}
{{- range default list $global.imagePullSecrets }}
  {{- if kindIs "string" . }}
    {{- include "spectrogram-operator.checkOne" (dict "found" $at.found "value" . "name" "global.imagePullSecrets" "rule" $at.checks.forms.name "mayBeEmpty" false) }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkOperatorPod" -}}
{{- $at := . }}
{{- $volumes := list "tmp" }}
{{- range $index, $entry := default list .Values.envFrom }}
  {{- if eq (hasKey . "configMapRef") (hasKey . "secretRef") }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "envFrom[%d]: write one of configMapRef and secretRef" $index)) }}
  {{- end }}
{{- end }}
{{- range default list .Values.extraVolumes }}
  {{- if ne (len .) 2 }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "extraVolumes: %q has %d sources: a volume has a name and one source, as in emptyDir: {}" .name (sub (len .) 1))) }}
  {{- end }}
  {{- if has .name $volumes }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "extraVolumes: there is a volume %q already: choose another name" .name)) }}
  {{- end }}
  {{- $volumes = append $volumes .name }}
{{- end }}
{{- $containers := list "operator" }}
{{- $ports := list "health" "metrics" }}
{{- $numbers := list (int .Values.ports.health) (int .Values.ports.metrics) }}
{{- $mounted := dict "extraVolumeMounts" .Values.extraVolumeMounts }}
{{- range $index, $one := default list .Values.sidecars }}
  {{- if has .name $containers }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "sidecars: there is a container %q already: choose another name" .name)) }}
  {{- end }}
  {{- $containers = append $containers .name }}
  {{- $variables := list }}
  {{- range default list .env }}{{ $variables = append $variables .name }}{{ end }}
  {{- if ne (len $variables) (len (uniq $variables)) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "sidecars[%d].env has a name twice: remove one of them" $index)) }}
  {{- end }}
  {{- range default list .ports }}
    {{- if or (has (default "-" .name) $ports) (has (int .containerPort) $numbers) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "sidecars[%d].ports: the name or the number of the port %d is taken in this pod: choose another" $index (int .containerPort))) }}
    {{- end }}
    {{- $numbers = append $numbers (int .containerPort) }}
    {{- with .name }}{{ $ports = append $ports . }}{{ end }}
  {{- end }}
  {{- $_ := set $mounted (printf "sidecars[%d].volumeMounts" $index) .volumeMounts }}
{{- end }}
{{- range $path, $mounts := $mounted }}
  {{- $folders := eq $path "extraVolumeMounts" | ternary (list "/tmp") list }}
  {{- range default list $mounts }}
    {{- if not (has .name $volumes) }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: there is no volume %q: add it to extraVolumes" $path .name)) }}
    {{- end }}
    {{- if has (trimSuffix "/" .mountPath) $folders }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: something is mounted at %s already: choose another mountPath" $path .mountPath)) }}
    {{- end }}
    {{- $folders = append $folders (trimSuffix "/" .mountPath) }}
  {{- end }}
{{- end }}
{{- range default list .Values.extraArgs }}
  {{- if has (splitList "=" . | first) (list "--show-settings" "--version" "--help" "-h") }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "extraArgs: with %q the operator writes something and ends: remove it" .)) }}
  {{- end }}
{{- end }}
{{- $spread := dict "topologySpreadConstraints" .Values.topologySpreadConstraints "pools.default.topologySpreadConstraints" .Values.pools.default.topologySpreadConstraints "pools.large.topologySpreadConstraints" .Values.pools.large.topologySpreadConstraints }}
{{- range $path, $constraints := $spread }}
  {{- $seen := list }}
  {{- range default list $constraints }}
    {{- $key := printf "%s %s" .topologyKey .whenUnsatisfiable }}
    {{- if has $key $seen }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s: %s is there twice: remove one of them" $path $key)) }}
    {{- end }}
    {{- $seen = append $seen $key }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkObjects" -}}
{{- $at := . }}
{{- range $path, $labels := dict "serviceMonitor" .Values.serviceMonitor.labels "podMonitor" .Values.podMonitor.labels "prometheusRule" .Values.prometheusRule.labels "dashboard" .Values.dashboard.labels }}
  {{- range $key, $value := default dict $labels }}
    {{- if has $key $at.checks.ownLabels.chart }}
      {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.labels.%s is a label that the chart sets itself: choose another" $path $key)) }}
    {{- end }}
  {{- end }}
{{- end }}
{{- $scraped := list }}
{{- range list "serviceMonitor" "podMonitor" "prometheusRule" }}
  {{- if and (index $at.Values .).enabled (not ($at.root.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "%s.enabled: the cluster does not know monitoring.coreos.com/v1: install the Prometheus Operator's definitions first (for helm template: --api-versions monitoring.coreos.com/v1)" .)) }}
  {{- end }}
  {{- if and (index $at.Values .).enabled (ne . "prometheusRule") }}{{ $scraped = append $scraped . }}{{ end }}
{{- end }}
{{- $policy := .Values.networkPolicy }}
{{- if and $policy.enabled $scraped (not $policy.scrapers) }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "networkPolicy would keep Prometheus from what %s.enabled lets it scrape: name it in networkPolicy.scrapers" (first $scraped))) }}
{{- end }}
{{- if and $policy.workerNamespaces (ne .Values.scope "Cluster") }}
  {{- include "spectrogram-operator.complain" (dict "found" .found "line" "networkPolicy.workerNamespaces is for scope Cluster: with scope Namespaced workers are where watchNamespaces says") }}
{{- end }}
{{- range $index, $peer := default list $policy.scrapers }}
  {{- if not . }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "networkPolicy.scrapers[%d] names nobody: write namespaceSelector, podSelector or ipBlock" $index)) }}
  {{- end }}
  {{- if and .ipBlock (or (hasKey . "podSelector") (hasKey . "namespaceSelector")) }}
    {{- include "spectrogram-operator.complain" (dict "found" $at.found "line" (printf "networkPolicy.scrapers[%d]: ipBlock goes without selectors: write two entries" $index)) }}
  {{- end }}
{{- end }}
{{- end }}
