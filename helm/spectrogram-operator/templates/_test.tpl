{{/* Parts of end-to-end-test.yaml. */}}

{{- define "spectrogram-operator.testMetadata" -}}
name: {{ .name | quote }}
namespace: {{ .namespace | quote }}
labels:
  {{- /* Another name than the operator's, whose Service would take these pods for its own. */}}
  app.kubernetes.io/name: {{ include "spectrogram-operator.name" .root }}-test
  app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
  {{- with .root.Values.commonLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  helm.sh/hook: test
  helm.sh/hook-weight: {{ .weight | quote }}
  helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{/* What all pods of the test have, of (list . PULLSECRETS). */}}
{{- define "spectrogram-operator.testPod" -}}
{{- $root := first . }}
restartPolicy: Never
activeDeadlineSeconds: {{ $root.Values.test.timeout }}
enableServiceLinks: true
{{- with include "spectrogram-operator.pullSecrets" . }}
imagePullSecrets:
  {{- range splitList "," . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ $root.Values.worker.runAsUser | toJson }}
  runAsGroup: {{ $root.Values.worker.runAsUser | toJson }}
  fsGroup: {{ $root.Values.worker.fsGroup | toJson }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* The program of a part, of (list . PART). */}}
{{- define "spectrogram-operator.testProgram" -}}
command: [python3, -c]
args:
  - |
    {{- printf "files/test/%s.py" (last .) | (first .).Files.Get | nindent 4 }}
terminationMessagePolicy: FallbackToLogsOnError
resources:
  requests: {cpu: 50m, memory: 64Mi}
  limits: {memory: 128Mi}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* A part that works on the claim. */}}
{{- define "spectrogram-operator.testOfClaim" -}}
apiVersion: v1
kind: Pod
metadata:
  {{- include "spectrogram-operator.testMetadata" (dict "root" .root "name" (printf "%s-%s" .name .part) "namespace" .namespace "weight" .weight) | nindent 2 }}
spec:
  serviceAccountName: {{ include "spectrogram-operator.workerAccountName" .root | quote }}
  automountServiceAccountToken: false
  {{- include "spectrogram-operator.testPod" (list .root .root.Values.worker.serviceAccount.imagePullSecrets) | nindent 2 }}
  {{- with .root.Values.pools.default.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .root.Values.pools.default.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .part }}
      image: {{ include "spectrogram-operator.image" (list .root .root.Values.worker.image) | quote }}
      imagePullPolicy: {{ .root.Values.worker.image.pullPolicy }}
      {{- include "spectrogram-operator.testProgram" (list .root .part) | nindent 6 }}
      volumeMounts:
        - {name: claim, mountPath: /data}
  volumes:
    - name: claim
      persistentVolumeClaim: {claimName: {{ .claim | quote }}}
{{- end }}
