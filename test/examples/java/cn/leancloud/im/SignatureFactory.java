package cn.leancloud.im;

import cn.leancloud.LCException;
import java.util.List;

/** A stub: the interface of leancloud/java-unified-sdk 8.2.28, realtime/src/main/java/cn/leancloud/im/SignatureFactory.java. */
public interface SignatureFactory {
  Signature createSignature(String peerId, List<String> watchIds) throws SignatureException;

  Signature createConversationSignature(
      String conversationId, String clientId, List<String> targetIds, String action) throws SignatureException;

  Signature createBlacklistSignature(
      String clientId, String conversationId, List<String> memberIds, String action) throws SignatureException;

  class SignatureException extends LCException {
    private static final long serialVersionUID = 1L;

    public SignatureException(int code, String message) {
      super(code, message);
    }
  }
}
