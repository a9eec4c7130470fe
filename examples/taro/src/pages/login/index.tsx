import { Button, Text, View } from '@tarojs/components';
import Taro from '@tarojs/taro';
import { useEffect, useRef, useState } from 'react';
import { session } from '../../session';
import { stepAfter } from '../../utils/phone-step';
import { type PhoneDetail, SessionError } from '../../utils/session';

export default function Login() {
  const [step, setStep] = useState('loading'); // or ready, registering, unsent, closed, failed
  const [note, setNote] = useState('');
  const phone = useRef<PhoneDetail>({});

  useEffect(() => {
    logIn();
  }, []);

  async function logIn() {
    setStep('loading');
    setNote('');
    try {
      const { token } = await session.login();
      if (token) enter();
      else setStep('ready');
    } catch (error) {
      setStep('failed');
      setNote(sentence(error));
    }
  }

  async function register() {
    // At once: a second tap on the button would be charged as well.
    setStep('registering');
    setNote('');
    try {
      await session.registerPhone(phone.current);
      enter();
    } catch (error) {
      setStep(stepAfter(error));
      setNote(sentence(error));
    }
  }

  return (
    <View>
      {note && <Text>{note}</Text>}
      {step === 'ready' && (
        <View>
          <Text onClick={() => Taro.openPrivacyContract()}>登录前请阅读《用户隐私保护指引》</Text>
          <Button
            openType='getPhoneNumber|agreePrivacyAuthorization'
            onGetPhoneNumber={({ detail }) => {
              phone.current = detail;
              register();
            }}
          >
            同意并使用手机号登录
          </Button>
        </View>
      )}
      {step === 'unsent' && <Button onClick={register}>继续完成登录</Button>}
      {step === 'failed' && <Button onClick={logIn}>重试</Button>}
      {['loading', 'registering'].includes(step) && <Text>请稍候…</Text>}
      {step !== 'registering' && <Button onClick={enter}>暂不登录，先逛逛</Button>}
    </View>
  );
}

function sentence(error: unknown) {
  const code = error instanceof SessionError ? error.code : '';
  if (code === 'phone_refused') return '你没有授权手机号，仍可继续浏览。';
  return code === 'offline' ? '网络不可用，请检查后重试。' : '没有成功，请稍后重试。';
}

function enter() {
  Taro.reLaunch({ url: '/pages/index/index' });
}
